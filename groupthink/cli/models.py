"""A model that is named on the command line."""

from pathlib import Path

from groupthink.cli.saying import tell


def require_there(model: str) -> None:
    """Raise ValueError for a model that is not there, before what reads models is imported, which takes seconds."""
    from groupthink.model import place

    try:
        place.require_there(model, tell)
    except ValueError as error:
        from groupthink.run.stages import is_pipeline

        if is_pipeline(Path(model)):
            error.add_note(_where_models_are(Path(model)))
        raise


def _where_models_are(run: Path) -> str:
    """Of a recipe of several stages that has not come to its end."""
    from groupthink.pipeline.reading import load_pipeline
    from groupthink.run.stages import PIPELINE, made_models

    made = made_models(run, load_pipeline(run / PIPELINE))
    places = ", ".join(place.removesuffix("/model") for place in made.values())
    return (
        f"its recipe has not come to its end; these have models: {places}" if made else "none of its stages has one yet"
    )
