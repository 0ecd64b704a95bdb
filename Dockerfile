# docker build -t course . && docker run --rm -p 8888:8888 -v my-course:/home/learner/my-course course
FROM python:3.13-slim
RUN useradd --create-home learner && mkdir /course && chown learner /course
USER learner
COPY --chown=learner . /course
# torch's CPU build spares 4 GB: --build-arg PIP_EXTRA_INDEX_URL=<the address on PyTorch's page>
ARG PIP_EXTRA_INDEX_URL
ENV COURSE_VENV=/home/learner/venv
RUN python /course/tools/start.py lab --no-open /home/learner/my-course
WORKDIR /home/learner
EXPOSE 8888
CMD ["python", "/course/tools/start.py", "lab", "--ip", "0.0.0.0"]
