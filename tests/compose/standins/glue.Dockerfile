# As far as Millpond's image sees it, AWS's Glue 5 image: spark-submit, Python 3.11 for Spark, awsglue, the
# system's Python 3.9, and the user hadoop. The awsglue in it is Millpond's own, not AWS's.
ARG BASE
FROM ${BASE}
LABEL millpond.stand-in=true
COPY java /usr/lib/jvm/java-17
COPY python3.11 /usr/local/python3.11
COPY python3.9 /usr/local/python3.9
COPY site /usr/local/python3.11/lib/python3.11/site-packages
ENV JAVA_HOME=/usr/lib/jvm/java-17 \
    SPARK_HOME=/usr/local/python3.11/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/usr/bin/python3.11 \
    LANG=C.UTF-8
RUN printf '%s\n' /usr/local/python3.11/lib /usr/local/python3.9/lib > /etc/ld.so.conf.d/python.conf \
    && ldconfig \
    && ln -s /usr/local/python3.11/bin/python3.11 /usr/bin/python3.11 \
    && ln -s /usr/local/python3.9/bin/python3.9 /usr/bin/python3.9 \
    && ln -s "$JAVA_HOME/bin/java" /usr/bin/java \
    && ln -s "$SPARK_HOME/bin/spark-submit" /usr/bin/spark-submit \
    && useradd --uid 10000 --create-home hadoop
USER hadoop
WORKDIR /home/hadoop
