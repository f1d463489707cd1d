package journeys

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// lostRecords is a journey of a RECORDS stream that is not the one that was read any more.
type lostRecords struct {
	broker *broker
	org    org
	up     func() *stack
	s      *stack

	published []string
	before    copied // the stream when the first half was read
	failing   []string
}

const lostHalf = 100 // records, a message each

// newLostRecords publishes twice as many records and has the ledger read them all: half of them are in the org, and half of them in a job that runs, some
// rows of which will fail.
func newLostRecords(t *testing.T) *lostRecords {
	t.Helper()
	j := &lostRecords{broker: newBroker(t)}
	address, org := simulator(t)
	j.org = org
	data, pipelines := dataDir(t), quickJobs(t)
	j.up = func() *stack {
		return dev(t, "--data", data, "--nats", j.broker.url(), "--sim", address, "--pipelines", pipelines, "--horizon", "1h")
	}
	j.s = j.up()
	keys := keysOf("r", 2*lostHalf)
	for i := lostHalf; i < 2*lostHalf; i += 10 {
		j.failing = append(j.failing, keys[i])
	}
	org.fault(t, failRows(noLastName, j.failing, nil))
	j.publish(t, keys[:lostHalf])
	j.s.settle(t, "contacts", lostHalf)
	j.before = j.broker.snapshot(t, "RECORDS_contacts")
	org.set(t, map[string]any{"rows_per_second": lostHalf / 5})
	j.publish(t, keys[lostHalf:])
	j.s.accepted(t, 2*lostHalf)
	return j
}

func (j *lostRecords) publish(t *testing.T, keys []string) {
	t.Helper()
	j.s.client(t).publish(t, "contacts", messagesOf(keys, contact)...)
	j.published = append(j.published, keys...)
}

// correction is a later record of an entity that the ledger knows, as a message of its own.
func (j *lostRecords) correction(t *testing.T, key, phone string) {
	t.Helper()
	j.s.client(t).publish(t, "contacts", message{id: "evt-again-" + key, body: contact(key).with("phone", phone)})
}

// obeyed waits for the alarm, in the status, and does exactly what it says.
func (j *lostRecords) obeyed(t *testing.T, code string, words ...string) {
	t.Helper()
	j.s.logged(t, `"code":"`+code+`"`)
	alarm := ""
	eventually(t, "the status gives the alarm", func(context.Context) (bool, error) {
		r := cli{j.s.ops}.run(t, "status")
		for line := range strings.Lines(r.stdout) {
			if strings.Contains(line, "extractor resume") {
				alarm = line
			}
		}
		return alarm != "", fmt.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	})
	for _, w := range words {
		if !strings.Contains(alarm, w) {
			t.Errorf("the alarm does not say %q: %s", w, alarm)
		}
	}
	order := regexp.MustCompile("`extractor ([^`]+)`").FindStringSubmatch(alarm)
	if order == nil {
		t.Fatalf("the alarm does not say how to go on: %s", alarm)
	}
	dsn, err := url.Parse(j.s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := dsn.Query()
	query.Set("role", "bulkhead_extractor")
	dsn.RawQuery = query.Encode()
	cmd := exec.Command(program(t, "extractor"), strings.Fields(order[1])...)
	cmd.Env = append(os.Environ(), "BULKHEAD_DSN="+dsn.String(), "BULKHEAD_NATS="+j.broker.url())
	if r := toItsEnd(t, cmd); r.code != 0 {
		t.Fatalf("%v: exit code %d\n%s%s", cmd.Args, r.code, r.stdout, r.stderr)
	}
}

// whole waits until everything published has come to its end, and checks that it did so once. corrections are how many records came for entities that were
// there already.
func (j *lostRecords) whole(t *testing.T, corrections int64) {
	t.Helper()
	j.org.set(t, map[string]any{"rows_per_second": 0})
	n, dead := int64(len(j.published))+corrections, int64(len(j.failing))
	if got, want := j.s.settle(t, "contacts", n).Balance, (balance{Accepted: n, Landed: n - dead, Dead: dead}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	l := load{lands: map[string]bool{}}
	for _, k := range j.published {
		l.lands[k] = true
	}
	for _, k := range j.failing {
		l.lands[k] = false
	}
	checkLanded(t, j.s, j.org, l)
	for _, letter := range j.s.letters(t, "contacts") {
		if letter.Payload != "" && !strings.Contains(letter.Payload, letter.Entity) {
			t.Errorf("the letter of %s holds what another record said: %s", letter.Entity, letter.Payload)
		}
	}
}

func TestRecordsThatAreDeletedStopThePipelineUntilAPersonSaysThatTheyAreLost(t *testing.T) {
	inTurn(t)
	j := newLostRecords(t)
	j.broker.kill()
	if err := os.RemoveAll(j.broker.streams(t)["RECORDS_contacts"]); err != nil {
		t.Fatal(err)
	}
	j.broker.start(t)
	c := j.s.client(t)
	eventually(t, "the stream is made again", func(ctx context.Context) (bool, error) {
		_, err := c.js.Stream(ctx, "RECORDS_contacts")
		return err == nil, err
	})
	late := keysOf("late", 20)
	j.publish(t, late)
	j.correction(t, "r-000003", "+1 555 0199")
	j.obeyed(t, "STREAM_RECREATED", "up to message 200")
	j.publish(t, keysOf("later", 20))
	j.whole(t, 1)
	if phone := j.org.rows(t, "Contact")["r-000003"].Fields["Phone"]; phone != "+1 555 0199" {
		t.Errorf("the org has the number %s, want the one that came last", phone)
	}
	j.org.checkSentOnceEach(t, "r-000003")
}

func TestRecordsThatAreRestoredFromAnOlderCopyStopThePipelineAndWhatCameSinceIsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		since int    // records that are published after the restore, before the ledger looks at the stream again
		code  string // of the alarm
	}{
		"the copy ends before what was read":                        {20, "STREAM_SHORTENED"},
		"what came since stands where others were read, and behind": {lostHalf + 50, "STREAM_REPLACED"},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t)
			j := newLostRecords(t)
			j.s.stopWatch()
			if code := j.s.proc.stop(t); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			j.broker.restore(t, j.before)
			j.s.natsURL = j.broker.url()
			j.publish(t, keysOf("since", tc.since))
			j.correction(t, "r-000151", "+1 555 0199")
			j.s = j.up()
			j.obeyed(t, tc.code, "up to message 200", "the stream holds 1 to")
			j.publish(t, keysOf("later", 20))
			j.whole(t, 1)
			if phone := j.org.rows(t, "Contact")["r-000151"].Fields["Phone"]; phone != "+1 555 0199" {
				t.Errorf("the org has the number %s, want the one that came last", phone)
			}
			j.org.checkSentOnceEach(t, "r-000151")
		})
	}
}

// checkSentOnceEach fails the test for each row that landed in more than one closed job, but for the key that was published twice.
func (o org) checkSentOnceEach(t *testing.T, twice string) {
	t.Helper()
	for key, rows := range o.sendings(t, "Contact") {
		landed := 0
		for _, r := range rows {
			if r.landed() {
				landed++
			}
		}
		if landed > 1 && key != twice || landed > 2 {
			t.Errorf("%s landed in %d closed jobs", key, landed)
		}
	}
}
