"""Plan -> jobs -> records: the runner, the engines, and the job of a child process."""
