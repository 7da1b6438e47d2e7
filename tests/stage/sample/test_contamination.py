from groupthink.records import Problem
from groupthink.stage.sample.contamination import contaminated, words_of
from groupthink.task import open_task

STORY = "Anna has {} boxes of {} pens each and gives away {} of them, how many pens has she got left in the end"


def problems(*prompts) -> list[Problem]:
    return [Problem(str(place), "own", prompt) for place, prompt in enumerate(prompts)]


def test_words_of_scripts_without_spaces_are_their_signs():
    assert words_of("Solve x^2-1=0, please.") == ("solve", "x^2-1=0", "please")
    assert words_of("求 x 的值。") == ("求", "x", "的", "值", "。")
    assert words_of(({"role": "system", "content": "Be brief"}, {"role": "user", "content": "2+2?"})) == (
        ("be", "brief", "2+2")
    )


def test_a_problem_that_shares_ten_words_with_a_held_out_one_is_found_whatever_surrounds_them():
    held = problems(STORY.format(3, 4, 5))
    told = problems(
        "Listen: anna has 3 BOXES of 4 pens, each and gives nothing.",  # ten words of it
        "Anna has 3 boxes of 4 pens each and also a cat",  # nine
        "Tom sold 48 clips in April, and half as many in May. How many clips did he sell altogether?",
    )
    assert contaminated(told, held, wording=0.0) == {"0"}


def test_the_wording_of_a_task_tells_no_problem_and_its_numbers_do():
    told = problems(*(STORY.format(i, i + 1, i + 2) for i in range(20)))
    held = problems(STORY.format(90, 91, 92), STORY.format(93, 94, 95))
    assert contaminated(told, held, wording=0.1) == set()  # "of them, how many pens has she got left in the end"
    assert contaminated(told, held, wording=1.0) == {problem.id for problem in told}
    assert contaminated(told, [*held, *problems(STORY.format(7, 8, 92))], wording=0.1) == {"7"}


def test_what_one_held_out_problem_says_is_no_wording_however_many_copy_it():
    story = STORY.format(3, 4, 5)
    others = (f"Problem {i} of a kind that has no ten words in common with any other" for i in range(3))
    told = problems(*(f"{name}: {story}, and then?" for name in ("One", "Two", "Three")), *others)
    held = problems(story, "Something else is asked here, in words of its own")
    assert contaminated(told, held, wording=0.01) == {"0", "1", "2"}


def test_a_text_that_is_held_out_is_found_however_common_its_words_are():
    told = problems(*["Say in ten words or fewer what you think of it"] * 20, "Compute 1+1", "Compute 1+2")
    assert contaminated(told, told[:1], wording=0.0) == {str(place) for place in range(20)}
    assert contaminated(told, problems("compute 1+1."), wording=0.5) == {"20"}


def test_generated_problems_are_not_taken_for_each_other():
    task = open_task("quadratics")
    told, held = task.sample(0, 500), task.held_out(300)
    assert contaminated(told, held, wording=0.01) == set()
    assert contaminated([*told, held[5]], held, wording=0.01) == {held[5].id}
