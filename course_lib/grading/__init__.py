"""The instructor's side: a class's notebooks in, marks and reports out.

tree.py          a folder or zip as one tree of files; names.py: what their names say
submissions.py   students, and what each of them handed in
isolation.py     what a run may see and do: bubblewrap's options, a filter for system calls
sandbox.py       a process in such a sandbox, asked and watched from outside
reader.py        in a sandbox: finds the exercises of a notebook, runs none of its code
worker.py        in a sandbox: runs the answers of one student
serialization.py the values on their way out: plain arrays, every header checked
runner.py        asks the reader and the workers
mark.py          values -> status and points, by the same `judge` that learners meet
originality.py   what an instructor may want to know besides
journal.py       what is done already, for the next start
classroom.py     all of it for a class; report/ writes it down
"""
