"""What is written after grading: pages, tables, exports for learning platforms, feedback.

graded.py      the class as it is reported: rows, late days, overrides, names and ids of a roster
roster.py      the list of a class as platforms export it
page.py        what all pages share; student_page.py and class_page.py
tables.py      marks.csv, details.csv, canvas.csv, moodle.csv
similarity.py  answers of the same structure, to look at
write.py       all of it into one folder
"""
