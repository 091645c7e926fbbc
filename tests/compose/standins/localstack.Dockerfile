# As far as Millpond's image sees it, localstack/localstack: a working directory that has LocalStack in .venv, and
# the directory of its own programs (of which there are none here), where it also looks for the name of its edition.
ARG BASE
FROM ${BASE}
LABEL millpond.stand-in=true
COPY python3.13 /usr/local/python3.13
WORKDIR /usr/local/lib/localstack
RUN install -D /dev/null /usr/lib/localstack/.community-version
RUN echo /usr/local/python3.13/lib > /etc/ld.so.conf.d/python.conf \
    && ldconfig \
    && /usr/local/python3.13/bin/python3.13 -m venv --without-pip .venv
COPY site .venv/lib/python3.13/site-packages/
EXPOSE 4566
ENTRYPOINT [".venv/bin/python", "-m", "localstack.runtime.main"]
