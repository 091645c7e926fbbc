UPDATE erp."Group" SET "memberCount" = %(n)s, "from" = (%(now)s AT TIME ZONE 'UTC')::date WHERE "Id" = 1 + %(n)s %% 4
