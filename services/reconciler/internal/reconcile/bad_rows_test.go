package reconcile_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// refusedRow plays a chunk whose third row is refused with a text, and gives the failure.
func refusedRow(b *bundle, errorText string) (failure, string) {
	b.t.Helper()
	quoted := strings.ReplaceAll(errorText, `"`, `""`)
	c, said := playChunk(b, 3, 1, answers{success: text(landed("a-0", "a-1")), failedFile: text(failedHeader + "\"\",\"" + quoted + "\",\"a-2\",\"x\",\"\"\n")})
	f := c.failures()
	if len(f) != 1 {
		b.t.Fatalf("%d failures: %s", len(f), said)
	}
	return f[0], said
}

func rowCases() map[int]badCase {
	with := func(processed, failed int64, files answers) badCase {
		return func(t *testing.T, b *bundle) string {
			c, said := playChunk(b, processed, failed, files)
			if strings.HasPrefix(said, "missing") && !strings.HasSuffix(c.outcome().States, "m") {
				t.Errorf("%s", c.outcome().States)
			}
			return said
		}
	}
	kept := func(errorText, message, suffix string) badCase {
		return func(t *testing.T, b *bundle) string {
			f, said := refusedRow(b, errorText)
			if f.Message != message {
				t.Errorf("message %q", f.Message)
			}
			return said + suffix
		}
	}
	lines := strings.SplitAfter(whole, "\n")
	return map[int]badCase{
		14: with(3, 0, answers{success: text(landed("a-0", "a-1") + "\"\",\"true\",\"a-2\",\"x\",\"\"\n")}),
		15: with(3, 0, answers{success: text(landed("a-0", "a-1") + "\"0015g00000AbCdEAAA\",\"true\",\"a-2\",\"x\",\"\"\n")}),
		16: func(_ *testing.T, b *bundle) string {
			b.form = inserts
			return play(b, 3, 0, answers{success: text(landed("a-0", "a-1") + strings.Replace(lines[1], "a-0", "a-2", 1))})
		},
		17: with(3, 0, answers{success: text(strings.ReplaceAll(whole, `"0015g0000000002AAA"`, `"0035g0000000002AAA"`))}),
		18: func(t *testing.T, b *bundle) string {
			b.form = inserts
			s := b.script()
			s.set(success, text(strings.Replace(whole, `"true"`, `"false"`, 1)))
			c := b.scripted(3, "JobComplete", 3, 0)
			r, log := logged(b)
			b.run(r, 0)
			if o := c.outcome(); o.Created != 2 || !strings.Contains(log.String(), "did not make them") {
				t.Errorf("%+v %s", o, log)
			}
			return c.became() + ", noted"
		},
		19: func(t *testing.T, b *bundle) string {
			c, said := playChunk(b, 3, 0, answers{success: text(strings.Replace(strings.Replace(whole, `"true"`, `"TRUE"`, 1), `"true"`, `"1"`, 1))})
			if o := c.outcome(); o.Created != 3 {
				t.Errorf("%+v", o)
			}
			return said + ", created"
		},
		20: func(_ *testing.T, b *bundle) string { _, said := refusedRow(b, ""); return said },
		21: kept("FIELD_CUSTOM_VALIDATION_EXCEPTION:a, \"b\",\nc: d:Name --", "a, \"b\",\nc: d", ", text kept"),
		22: func(t *testing.T, b *bundle) string {
			long := strings.Repeat("trace ", 1<<20/6)
			f, said := refusedRow(b, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:"+long+":--")
			sum := sha256.Sum256([]byte(strings.TrimSpace(long)))
			if len(f.Message) > 5000 || !strings.Contains(f.Message, hex.EncodeToString(sum[:])) {
				t.Errorf("%d bytes: %s", len(f.Message), f.Message[len(f.Message)-120:])
			}
			return said + ", text cut, hash kept"
		},
		23: func(t *testing.T, b *bundle) string {
			const nasty = "<script>alert(1)</script>\x1b[31m=cmd|'/C calc'!A0"
			s := b.script()
			s.set(success, text(landed("a-0", "a-1")))
			s.set(failedFile, text(failedHeader+"\"\",\"FIELD_CUSTOM_VALIDATION_EXCEPTION:"+nasty+":--\",\"a-2\",\"x\",\"\"\n"))
			c := b.scripted(3, "JobComplete", 3, 1)
			r, log := logged(b)
			b.run(r, 0)
			letters := b.letters()
			raw := one[string](b, `SELECT convert_from(body, 'UTF8') FROM reconciler.outbox WHERE subject LIKE 'dlq.%'`)
			if len(letters) != 1 || letters[0].Message != nasty || strings.ContainsRune(raw, 0x1b) || strings.ContainsRune(log.String(), 0x1b) {
				t.Errorf("%q %s", raw, log)
			}
			return c.became() + ", inert in letter and log"
		},
		24: kept("REQUIRED_FIELD_MISSING:Erforderliche Felder fehlen: [Nachname]:LastName --", "Erforderliche Felder fehlen: [Nachname]", ", text kept"),
		25: kept("STRING_TOO_LONG:Name: too long:Name --;REQUIRED_FIELD_MISSING:missing:Phone --", "Name: too long:Name --;REQUIRED_FIELD_MISSING:missing", ", all kept"),
		26: func(_ *testing.T, b *bundle) string {
			_, said := refusedRow(b, "SOMETHING_NEW:what is it:--")
			return said
		},
		37: with(3, 0, answers{success: text(whole), failedFile: text(refused("UNABLE_TO_LOCK_ROW:x:--", "a-2"))}),
		38: func(t *testing.T, b *bundle) string {
			c, said := playChunk(b, 3, 0, answers{success: text(landed("a-0", "a-2", "a-2"))})
			if o := c.outcome(); o.States != "lmm" { // one of them stands there twice, the other not at all
				t.Errorf("%s", o.States)
			}
			return said
		},
		39: with(2, 0, answers{success: text(whole), unprocessed: text(plainHeader + "a-2,x,\n")}),
		65: with(2, 0, answers{success: text(landed("a-0", "a-1"))}),
		85: func(t *testing.T, b *bundle) string {
			var said []string
			b.now = time.Now().UTC() // the simulated org has a clock of its own
			for _, f := range []form{inserts.again(), inserts} {
				// The simulated org, which holds the row that the unseen try made.
				b.client = b.clientOf(b.sim.URL, b.sim.ClientID, b.sim.Secret)
				key := fmt.Sprintf("w24-%v", f.ambiguous)
				b.form = inserts
				b.orphanInsert(key)
				b.form = f
				c := b.seal(record.ChunkReplay, []row{{cells: []string{key, "x", "", ""}, records: []rec{{key: key}}}}).send()
				b.run(b.reconciler(), time.Hour)
				if held, _ := b.sim.Record("Account", key); f.ambiguous && string(c.outcome().IDs) != held.ID {
					t.Errorf("landed as %q, the org has %s", c.outcome().IDs, held.ID)
				}
				said = append(said, c.became())
			}
			if n := len(b.sim.Calls(0, simtest.Query)); n != 1 {
				t.Errorf("%d look-ups", n)
			}
			return said[0] + " after an ambiguous try, else " + said[1]
		},
	}
}
