"""Many machines: engines, learners and rewards as actors of Ray. Ray is imported only where a recipe asks for one."""
