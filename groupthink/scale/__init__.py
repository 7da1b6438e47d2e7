"""Past one machine: engines and learners as Ray actors, behind the protocols of the local ones."""
