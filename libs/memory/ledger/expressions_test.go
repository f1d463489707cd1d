package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// expressions are what SQL means where it is easily meant otherwise, a line each.
const expressions = `
NULL AND false
NULL AND true
NULL OR true
NULL OR false
NOT NULL::boolean
NULL = NULL
NULL IS NOT DISTINCT FROM NULL
1 IS DISTINCT FROM NULL
1 IN (2, NULL)
1 IN (1, NULL)
1 NOT IN (2, NULL)
1 NOT IN (2, 3)
NULL::int IN (1, 2)
1 IN (SELECT 2 WHERE false)
NULL::int IN (SELECT 2 WHERE false)
NULL::int NOT IN (SELECT 2 WHERE false)
1 NOT IN (SELECT NULL::int)
1::bigint IN (SELECT 1::numeric)
1.0 IN (SELECT 1)
1.5 IN (SELECT 1)
1 = ANY (ARRAY[2, NULL])
1 = ANY (ARRAY[1, NULL])
1 = ANY (NULL::int[])
1 = ANY ('{}'::int[])
1 = ALL ('{}'::int[])
1 <> ALL (ARRAY[2, NULL])
1 <> ALL (ARRAY[1, NULL])
NULL::int = ANY ('{}'::int[])
2 > ANY (ARRAY[1, 3])
2 BETWEEN 1 AND NULL
3 BETWEEN 1 AND 2
0 BETWEEN NULL AND -1
(1, 2) = (1, NULL)
(1, 2) = (2, NULL)
(1, 2) < (1, NULL)
(1, 2) < (2, NULL)
(1, NULL) <= (1, NULL)
(NULL, 1) <> (NULL, 2)
NULL::boolean IS TRUE
NULL::boolean IS NOT TRUE
NULL::boolean IS NOT FALSE
CASE WHEN NULL THEN 1 ELSE 2 END
CASE NULL WHEN NULL THEN 1 ELSE 2 END
CASE 1 WHEN 2 THEN 'a' END
coalesce(NULL, NULL, 3)
coalesce(NULL, NULL)::text
nullif(1, 1)
nullif(1, NULL)
nullif(NULL, 1)
greatest(NULL, 1, 2)
least(NULL, 1, 2)
greatest(NULL::int, NULL)
7 / 2
-7 / 2
7 % -2
-7 % 2
(-9223372036854775808) % (-1)::bigint
7 / 2.0 = 3.5
7::float8 / 2
1 / 0
1 % 0
1.0 / 0
2147483647 + 1
2147483647 + 1::bigint
-2147483648 - 1
9223372036854775807 + 1::bigint
-(-9223372036854775807 - 1)
(-9223372036854775807 - 1) / (-1)::bigint
100000 * 100000
30000::smallint * 2::smallint
40000::smallint
2.5::int
3.5::int
-2.5::int
2.5::float8::int
3.5::float8::int
round(2.5::numeric)::int
round(2.5::float8)::int
floor(-1.5)::int
ceil(1.2)::int
1e18::bigint
1e19::bigint
abs(-5)
'abc' || NULL
'a' || 1
1 || 'a'
concat('a', NULL, 1, true)
ARRAY[1] || NULL::int
ARRAY[1] || NULL::int[]
NULL::int[] || NULL::int[]
NULL::int[] || 1
ARRAY[1, 2] || ARRAY[3]
0 || ARRAY[1]
ARRAY[1, 2] = ARRAY[1, 2]
ARRAY[1, NULL] = ARRAY[1, NULL]
ARRAY[1, 2] < ARRAY[1, 2, 0]
ARRAY[1, NULL] < ARRAY[1, 2]
(ARRAY[1, 2])[3]
(ARRAY[1, 2])[0]
(ARRAY[1, 2, 3])[2:9]
(ARRAY[1, 2, 3])[3:2]
array_length('{}'::int[], 1)
cardinality('{}'::int[])
cardinality(NULL::int[])
'{a,"b,c",NULL,"NULL",""}'::text[]
ARRAY['a b', 'c"d', 'e\f', NULL, '']
'' = ' '
'a' < 'B'
'ä' > 'z'
'a_c' LIKE 'a\_c'
'abc' LIKE 'a_c'
'äbc' LIKE '_bc'
'abc' LIKE '%'
'' LIKE '%'
'' LIKE '_'
'abc' LIKE NULL
'aXbXc' LIKE 'a%b%d'
'ABC' ILIKE 'a%'
'abc' NOT LIKE 'b%'
length('äöü')
length('\x0011'::bytea)
octet_length('äöü')
left('äbc', 2)
left('abc', -1)
right('abc', 2)
right('abc', -1)
left('abc', -5)
substring('abcdef', 2, 3)
substring('abcdef', 0, 3)
substring('abcdef', -1, 3)
substring('abcdef', 5)
substring('abcdef', 9)
substring('abc', 2, -1)
substring('\x00112233'::bytea, 2, 2)
position('b' IN 'abc')
position('x' IN 'abc')
position('' IN 'abc')
split_part('a/b/c', '/', 2)
split_part('a/b/c', '/', 9)
split_part('a/b/c', '/', -1)
split_part('a/b/c', '/', 0)
split_part('abc', '', 1)
replace('aXbX', 'X', '')
replace('abc', '', 'x')
repeat('ab', 2)
repeat('ab', -1)
upper('aß')
lower('ÀB')
btrim('  a ')
ascii('a')
ascii('')
get_byte('\x0102'::bytea, 1)
get_byte('\x0102'::bytea, 2)
'\x01'::bytea || '\x02'::bytea
'\x01'::bytea < '\x0100'::bytea
encode('\x0aff'::bytea, 'hex')
decode('0aFF', 'hex')
decode('0a0', 'hex')
convert_to('ä', 'UTF8')
convert_from('\xff'::bytea, 'UTF8')
convert_from('\x6100'::bytea, 'UTF8')
starts_with('abc', 'ab')
sha256('\x01'::bytea)
1 << 3
256 >> 4
true::text
true::int
'yes'::boolean
'maybe'::boolean
'12'::int
' 12 '::int
'1.5'::int
''::int
'99999999999'::int
'1e3'::float8
'abc'::uuid
'{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'::uuid
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid < 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
'2027-01-31'::timestamptz + '1 month'::interval
'2027-03-31'::timestamptz - '1 month'::interval
'2028-02-29'::timestamptz + '12 months'::interval
'2027-01-31 10:00:00.123456+02'::timestamptz
'2027-01-01'::timestamptz - '2026-12-30 12:00'::timestamptz
'2026-12-30 12:00'::timestamptz - '2027-01-01'::timestamptz
'infinity'::timestamptz > now()
'infinity'::timestamptz + '1 day'::interval
'2027-01-01'::date + 1
'2027-01-01'::date - '2026-12-25'::date
'1969-12-31 23:59:59'::timestamptz::date
'2027-05-06 07:08:09.9'::timestamptz::date
date_trunc('hour', '2027-05-06 07:08:09.9'::timestamptz)
date_trunc('month', '2027-05-06 07:08:09.9'::timestamptz)
extract(epoch FROM '2027-01-01 00:00:00.5'::timestamptz)::float8
extract(epoch FROM '1 day 00:00:01.5'::interval)::float8
to_timestamp(1.0000005)
make_interval(secs => 1.5)
make_interval(days => 2, hours => 3)
'1 day'::interval = '24 hours'::interval
'1 month'::interval = '30 days'::interval
'1 day'::interval * 1.5
'1 day'::interval / 2
'90 minutes'::interval
-'1 day 02:00'::interval
'1 hour'::interval > '59 minutes'::interval
'{"b": 1, "a": [1, null, "x"], "b": 2}'::jsonb
'{"a": 1}'::jsonb = '{ "a":1 }'::jsonb
'{"a": null}'::jsonb -> 'a'
'{"a": null}'::jsonb ->> 'a'
'{"a": {"b": 2}}'::jsonb -> 'a' ->> 'b'
'{"a": 1}'::jsonb -> 'x'
'[1, 2]'::jsonb -> -1
'[1, 2]'::jsonb -> 5
'[1, 2]'::jsonb -> 'a'
'{"a": 1}'::jsonb - 'a'
'"x"'::jsonb
'"\u00e4<>&\u2028"'::jsonb
'"\b\f\n\r\t\u0001"'::jsonb
'"\u0000"'::jsonb
'{"a": 1.50}'::jsonb ->> 'a'
'{"a": 1e2}'::jsonb ->> 'a'
'[1E+2, 1.25e1, 1.25e-1, 12e-1, 0.5e3, -0, -0.0, -1e-3, 1e0, 0e5, 100e-2]'::jsonb
'1e200000'::jsonb
'"\ud800"'::jsonb
'"\ud83d\ude00\ufffd"'::jsonb
'"\\u0041/"'::jsonb
'"\u0041\/"'::jsonb
'{'::jsonb
'{"a": 1} x'::jsonb
jsonb_array_length('[1, [2, 3]]'::jsonb)
jsonb_array_length('{}'::jsonb)
jsonb_typeof('null'::jsonb)
jsonb_typeof('1'::jsonb)
to_jsonb('a"b'::text)
to_jsonb(ARRAY[1, NULL])
to_jsonb('2027-01-31 10:00:00.5+00'::timestamptz)
to_jsonb('infinity'::timestamptz)
to_jsonb('2027-01-31'::date)
to_jsonb(1.5::float8)
to_jsonb(NULL::int)
(SELECT max(n) FROM generate_series(1, 0) AS s (n))
(SELECT sum(n) FROM generate_series(1, 0) AS s (n))
(SELECT count(*) FROM generate_series(1, 0) AS s (n))
(SELECT array_agg(n) FROM generate_series(1, 0) AS s (n))
(SELECT string_agg(n::text, ',') FROM generate_series(1, 0) AS s (n))
(SELECT bool_and(n > 0) FROM generate_series(1, 0) AS s (n))
(SELECT count(*) FROM generate_series(1, 0) AS s (n) GROUP BY n)
(SELECT 1 FROM generate_series(1, 0) AS s (n) HAVING count(*) = 0)
(SELECT 1 FROM generate_series(1, 2) AS s (n))
(SELECT sum(n) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT avg(n)::float8 FROM unnest(ARRAY[1, NULL, 4]) AS u (n))
(SELECT count(n) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT count(DISTINCT n) FROM unnest(ARRAY[1, NULL, 1, 3]) AS u (n))
(SELECT array_agg(n) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT array_agg(DISTINCT n) FROM unnest(ARRAY[3, NULL, 1, NULL]) AS u (n))
(SELECT array_agg(n ORDER BY n DESC) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT array_agg(n ORDER BY n DESC NULLS LAST) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT array_agg(n ORDER BY n NULLS FIRST) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT string_agg(s, ',' ORDER BY s DESC) FROM unnest(ARRAY['a', NULL, 'b']) AS u (s))
(SELECT string_agg(DISTINCT s, ',') FROM unnest(ARRAY['b', 'a', 'b']) AS u (s))
(SELECT bool_or(b) FROM unnest(ARRAY[false, NULL]) AS u (b))
(SELECT bool_and(b) FROM unnest(ARRAY[true, NULL]) AS u (b))
(SELECT count(*) FILTER (WHERE n > 1) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT max(n) FILTER (WHERE n > 9) FROM unnest(ARRAY[1, NULL, 3]) AS u (n))
(SELECT min(s) FROM unnest(ARRAY['b', 'a']) AS u (s))
ARRAY(SELECT n FROM generate_series(3, 1) AS s (n))
ARRAY(SELECT n FROM generate_series(1, 3) AS s (n) ORDER BY n DESC)
ARRAY(SELECT n FROM unnest(ARRAY[2, NULL, 1]) AS u (n) ORDER BY n)
ARRAY(SELECT n FROM unnest(ARRAY[2, NULL, 1]) AS u (n) ORDER BY n DESC)
ARRAY(SELECT n FROM unnest(ARRAY[2, NULL, 1]) AS u (n) ORDER BY n OFFSET 1 LIMIT 1)
ARRAY(SELECT n FROM unnest(ARRAY[2, NULL, 1]) AS u (n) ORDER BY n LIMIT NULL)
ARRAY(SELECT DISTINCT n FROM unnest(ARRAY[2, NULL, 1, NULL, 2]) AS u (n) ORDER BY n)
ARRAY(SELECT coalesce(a, 0) * 10 + coalesce(b, 0) FROM unnest(ARRAY[1, 2, 3], ARRAY[4, 5]) WITH ORDINALITY AS u (a, b, n) ORDER BY n)
ARRAY(SELECT n FROM unnest(ARRAY[1, NULL, 1]) AS u (n) UNION SELECT NULL ORDER BY 1)
ARRAY(SELECT n FROM unnest(ARRAY[1, NULL, 1]) AS u (n) EXCEPT SELECT 1)
ARRAY(SELECT n FROM unnest(ARRAY[1, NULL, 1, 2]) AS u (n) INTERSECT SELECT n FROM unnest(ARRAY[NULL, 1]) AS v (n) ORDER BY 1)
ARRAY(SELECT a.n FROM unnest(ARRAY[1, NULL]) AS a (n) JOIN unnest(ARRAY[1, NULL]) AS b (n) ON a.n = b.n)
ARRAY(SELECT coalesce(b.n, -1) FROM unnest(ARRAY[1, NULL, 2]) AS a (n) LEFT JOIN unnest(ARRAY[1, NULL]) AS b (n) ON a.n = b.n ORDER BY 1)
ARRAY(SELECT row_number() OVER (ORDER BY n DESC) FROM unnest(ARRAY[5, NULL, 7]) AS u (n) ORDER BY n)
ARRAY(SELECT rank() OVER (ORDER BY n) FROM unnest(ARRAY[5, 5, 7]) AS u (n) ORDER BY n)
ARRAY(SELECT sum(n) OVER (ORDER BY n)::int FROM unnest(ARRAY[5, 5, 7]) AS u (n) ORDER BY n)
EXISTS (SELECT NULL)
(SELECT 1 LIMIT 0)
`

// Both give the same text or the same error, one by one.
func TestExpressions(t *testing.T) {
	t.Parallel()
	postgres, memory := testkit.Database(t).AdminPool(t), pg.DB(whole(t))
	say := func(db pg.DB, expression string) string {
		var text *string
		err := db.QueryRow(t.Context(), `SELECT (`+expression+`)::text`).Scan(&text)
		switch {
		case code(err) != "":
			return code(err)
		case err != nil:
			return err.Error()
		case text == nil:
			return "NULL"
		}
		return fmt.Sprintf("%q", *text)
	}
	for expression := range strings.Lines(strings.TrimSpace(expressions)) {
		expression = strings.TrimSpace(expression)
		if want, got := say(postgres, expression), say(memory, expression); got != want {
			t.Errorf("%s is %s, in memory %s", expression, want, got)
		}
	}
}
