"""The instructor's side: a class's notebooks in, marks and reports out.

submissions.py  what was handed in: folders, files, zips
slices.py       an exercise's definition in a notebook, and what it needs
runner.py       runs one exercise of one notebook: fork server (zygote.py), sandbox (sandbox.py),
                limits (confine.py inside, processes.py outside), the code itself (worker.py)
wire.py         the values on their way out: plain arrays, every header checked
mark.py         values -> status and points, by the same `judge` that learners meet
originality.py  what an instructor may want to know besides
journal.py      what is done already, for the next start
classroom.py    all of it for a class; tables.py and pages.py write it down
"""
