package pg

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/record"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

var schemaShape = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// outboxTexts keeps what outboxSQL made: a relay asks at every look, and there are as many as statements times schemas.
var outboxTexts sync.Map // statementOf → string

type statementOf struct{ name, schema string }

// outboxSQL reads one of the embedded statements for a schema. Each service's outbox has the same shape.
func outboxSQL(name, schema string) (string, error) {
	kept, _ := outboxTexts.Load(statementOf{name, schema})
	if text, ok := kept.(string); ok {
		return text, nil
	}
	if !schemaShape.MatchString(schema) {
		return "", fmt.Errorf("outbox: %q is not the name of a schema", schema)
	}
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return "", fmt.Errorf("outbox: %w", err)
	}
	made := strings.ReplaceAll(string(text), "@schema", pgx.Identifier{schema}.Sanitize())
	outboxTexts.Store(statementOf{name, schema}, made)
	return made, nil
}

// outboxChannel is what Enqueue notifies and a Relay listens to.
func outboxChannel(schema string) string { return schema + "_outbox" }

// Enqueue stores messages in the outbox of the schema, as part of tx: they are published after tx has committed, at
// least once, and never when it has not. Nothing given is nothing done.
func Enqueue(ctx context.Context, tx pgx.Tx, schema string, msgs ...record.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	insert, err := outboxSQL("outbox_insert", schema)
	if err != nil {
		return err
	}
	subjects, ids := make([]string, len(msgs)), make([]string, len(msgs))
	headers, bodies := make([]string, len(msgs)), make([][]byte, len(msgs))
	for i, m := range msgs {
		if m.Subject == "" {
			return fmt.Errorf("outbox of %s: message %d has no subject", schema, i)
		}
		encoded, err := encodeHeaders(m.Headers)
		if err != nil {
			return fmt.Errorf("outbox of %s: headers of message %d: %w", schema, i, err)
		}
		subjects[i], ids[i], headers[i], bodies[i] = m.Subject, m.MsgID, encoded, nonNil(m.Body)
	}
	if _, err := tx.Exec(ctx, insert, subjects, ids, headers, bodies); err != nil {
		return fmt.Errorf("outbox of %s: insert: %w", schema, err)
	}
	if _, err := tx.Exec(ctx, "SELECT pg_notify($1, '')", outboxChannel(schema)); err != nil {
		return fmt.Errorf("outbox of %s: notify: %w", schema, err)
	}
	return nil
}

func encodeHeaders(headers map[string]string) (string, error) {
	if len(headers) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(headers)
	return string(text), err
}

// nonNil keeps an empty body from becoming NULL.
func nonNil(body []byte) []byte {
	if body == nil {
		return []byte{}
	}
	return body
}
