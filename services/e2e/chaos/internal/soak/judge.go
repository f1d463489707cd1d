package soak

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/watch"
	"bulkhead/services/e2e/internal/org"
)

const (
	// told is how many findings of one sort are told; all are counted.
	told = 5
	// asked is how many rows are asked for all their versions at most: those that were saved oftener than they had to be.
	asked = 1_000
	// lettersWithin bounds reading the letters, letterWithin waiting for one.
	lettersWithin, letterWithin = 5 * time.Minute, 10 * time.Second
)

// Seen is what the judge found.
type Seen struct {
	Rows      int64 `json:"rows"`    // of the org, each with what it must hold
	Letters   int64 `json:"letters"` // dead records that have one
	Jobs      int64 `json:"jobs"`    // that were closed
	LeftOpen  int64 `json:"left_open_jobs"`
	CallsOnce int64 `json:"saved_again_by_calls"` // rows that a call of collections saved again because nobody heard of the first
}

// judge compares what there is with what there must be.
type judge struct {
	load     Load
	want     Counts
	seen     Seen
	findings []string
	counts   map[string]int
}

func newJudge(l Load, want Counts) *judge {
	return &judge{load: l, want: want, counts: map[string]int{}}
}

// find notes a finding of a sort.
func (j *judge) find(sort, format string, args ...any) {
	j.counts[sort]++
	if n := j.counts[sort]; n <= told {
		j.findings = append(j.findings, sort+": "+fmt.Sprintf(format, args...))
	}
}

// all are the findings, and how many of a sort were not told.
func (j *judge) all() []string {
	out := j.findings
	for sort, n := range j.counts {
		if n > told {
			out = append(out, fmt.Sprintf("%s: %d more", sort, n-told))
		}
	}
	return out
}

// balance must be exactly that of the load.
func (j *judge) balance(b history.Balance) {
	want := history.Balance{Accepted: j.want.Records, Landed: j.want.Landed, Dead: j.want.Dead, Repeats: b.Repeats}
	if b != want {
		j.find("unbalanced", "the balance is %+v, and must be %+v", b, want)
	}
}

// saved is a row of the org as the judge reads it.
type saved struct {
	Versions int  `json:"version_count"`
	Fields   *Row `json:"fields"`
}

// rows reads every row of the org.
func (j *judge) rows(ctx context.Context, o *org.Org) error {
	there := make([]uint64, (j.load.Records+63)/64)
	var often []string
	err := org.Lines(ctx, o, "records/"+object, func(s saved) error {
		if key := j.row(s, there); key != "" {
			often = append(often, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.missing(there)
	for _, key := range often[:min(len(often), asked)] {
		rec, ok, err := o.Record(ctx, object, key)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("the org does not hold %s any more", key)
		}
		j.versions(key, rec.Versions)
	}
	if n := len(often) - asked; n > 0 {
		j.find("resent", "%d rows more were saved oftener than they had to be", n)
	}
	return nil
}

// row takes one row. It returns the key of one that was saved oftener than it had to be.
func (j *judge) row(s saved, there []uint64) (often string) {
	if s.Fields == nil {
		j.find("foreign", "a row without fields")
		return ""
	}
	i := number(s.Fields.ID, rowPrefix)
	switch {
	case i < 0 || i >= j.load.Records || j.load.target(i) >= 0:
		j.find("foreign", "nobody published the row %s", s.Fields.ID)
		return ""
	case j.load.sort(i).Dead():
		j.find("false_failure", "%s is there, and its record (%s) is dead", s.Fields.ID, j.load.sort(i))
		return ""
	case there[i/64]&(1<<(i%64)) != 0:
		j.find("doubled", "%s is there twice", s.Fields.ID)
		return ""
	}
	there[i/64] |= 1 << (i % 64)
	j.seen.Rows++
	if want := j.load.row(i); *s.Fields != want {
		j.find("stale", "the org holds %+v, and must hold %+v", *s.Fields, want)
	}
	if s.Versions > j.most(i) {
		return s.Fields.ID
	}
	return ""
}

// most is how often the row of record i is saved where nothing is sent again.
func (j *judge) most(i int64) int {
	if j.load.update(i) >= 0 {
		return 2
	}
	return 1
}

// missing finds rows that are not there.
func (j *judge) missing(there []uint64) {
	if j.seen.Rows == j.want.Rows {
		return // each was counted once
	}
	for i := range j.load.Records {
		if there[i/64]&(1<<(i%64)) == 0 && !j.load.sort(i).Dead() && j.load.target(i) < 0 {
			j.find("lost", "%s is not there", numbered(rowPrefix, i))
		}
	}
}

// versions of a row that was saved oftener than it had to be: a call of collections that nobody heard of may be made again, and a job may not.
func (j *judge) versions(key string, all []org.Version) {
	jobs := 0
	for _, v := range all {
		if v.Job != "" {
			jobs++
		}
	}
	if jobs > j.most(number(key, rowPrefix)) {
		j.find("resent", "%s was saved by %d jobs", key, jobs)
		return
	}
	j.seen.CallsOnce++
}

// jobs must all have ended that were closed.
func (j *judge) jobs(all []org.Job) {
	for _, job := range all {
		switch ended := job.State == "JobComplete" || job.State == "Failed" || job.State == "Aborted" || job.Gone != ""; {
		case job.Closed && !ended:
			j.find("orphaned", "job %s was closed and is %s", job.ID, job.State)
		case job.Closed:
			j.seen.Jobs++
		case !ended:
			j.seen.LeftOpen++ // of an upload that was killed; it is aborted after an hour
		}
	}
}

// letters reads the dead-letter stream. A letter may lie there twice, since who publishes it may be killed before it knows; two letters of one record may not.
func (j *judge) letters(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, lettersWithin)
	defer cancel()
	stream, err := js.Stream(ctx, bus.StreamDLQ)
	if err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamDLQ, err)
	}
	state := stream.CachedInfo().State
	ids := map[int64]string{} // by record: as many as are dead
	if state.Msgs > 0 {
		consumer, err := js.OrderedConsumer(ctx, bus.StreamDLQ, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
		if err != nil {
			return fmt.Errorf("read the letters: %w", err)
		}
		for last := uint64(0); last < state.LastSeq; {
			m, err := consumer.Next(jetstream.FetchMaxWait(letterWithin))
			if err = errors.Join(err, ctx.Err()); err != nil {
				return fmt.Errorf("read the letters behind %d of %d: %w", last, state.LastSeq, err)
			}
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("read the letters: %w", err)
			}
			last = meta.Sequence.Stream
			j.letter(watch.Letter(m.Data()), ids)
		}
	}
	j.unwritten(ids)
	return nil
}

// letter takes one letter.
func (j *judge) letter(l history.Letter, ids map[int64]string) {
	i := number(l.Key, eventPrefix)
	if i < 0 || i >= j.load.Records {
		j.find("foreign", "letter %s is of %q, which nobody published", l.ID, l.Key)
		return
	}
	s := j.load.sort(i)
	switch id, known := ids[i]; {
	case !s.Dead():
		j.find("false_failure", "%s (%s) has a letter: %s %s", l.Key, s, l.Code, l.Text)
		return
	case known && id != l.ID:
		j.find("doubled", "%s has the letters %s and %s", l.Key, id, l.ID)
		return
	case !known && l.Code != s.code():
		j.find("false_failure", "%s (%s) died of %s, and must of %s", l.Key, s, l.Code, s.code())
	}
	ids[i] = l.ID
}

// unwritten finds dead records without a letter.
func (j *judge) unwritten(ids map[int64]string) {
	j.seen.Letters = int64(len(ids))
	if j.seen.Letters == j.want.Dead {
		return
	}
	for i := range j.load.Records {
		if _, there := ids[i]; !there && j.load.sort(i).Dead() {
			j.find("lost", "%s (%s) is dead and has no letter", numbered(eventPrefix, i), j.load.sort(i))
		}
	}
}
