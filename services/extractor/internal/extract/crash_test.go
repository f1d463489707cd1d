package extract

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/services/extractor/internal/store"
)

func isNotStopped(err error) bool { return errors.Is(err, store.ErrNotStopped) }

// publishMix publishes records of every fate and says what must become of them.
func (b *bench) publishMix(rnd *rand.Rand, messages int) tally {
	b.Helper()
	var want tally
	seen := map[string]string{}
	event := func(key, body string) string {
		switch had, ok := seen[key]; {
		case !ok:
			seen[key] = body
			want.Rows++
		case had == body:
			want.Repeats++
		default:
			reused := key + body
			if _, ok := seen[reused]; ok {
				want.Repeats++
			} else {
				seen[reused] = body
				want.Dead++
			}
		}
		return fmt.Sprintf(`{"event":%q,%s}`, key, body)
	}
	for range messages {
		var frame []string
		for range 1 + rnd.IntN(12) {
			switch rnd.IntN(12) {
			case 0:
				frame = append(frame, `{"id":`)
				want.Dead++
			case 1:
				frame = append(frame, `{"id":"no event"}`)
				want.Dead++
			default:
				n := rnd.IntN(150)
				frame = append(frame, event(fmt.Sprintf("k%d", n), fmt.Sprintf(`"id":"e%d","last":"%d"`, n%40, rnd.IntN(10)/9)))
			}
		}
		b.frame("", frame...)
	}
	return want
}

const keyed = "key: [event]\nunknownMembers: ignore"

func TestReadersThatDie(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("wherever readers die, each record is decided once (seed %d)", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			b := newBench(t, definition(defaultMap, fmt.Sprintf("chunk: {rows: %d, bytes: 1MB, age: 1s}", 5+rnd.IntN(30)), "lanes: 3", keyed))
			want := b.publishMix(rnd, 60)
			r := b.reader("one")
			for i := 0; !b.decided(b.last()); i++ {
				if i > 3000 {
					t.Fatalf("it does not end: %v", b.marks())
				}
				ctx, cancel := context.WithCancel(t.Context())
				switch rnd.IntN(8) {
				case 0: // dies without a word
					r = b.reader("one")
				case 1: // is cut off in the middle of whatever it does
					time.AfterFunc(time.Duration(rnd.IntN(3000))*time.Microsecond, cancel)
				case 2:
					b.advance(4 * time.Second)
				}
				_, _ = r.Pass(ctx)
				cancel()
			}
			b.wantTally(want)
			if n := b.count("SELECT count(*)::int FROM (SELECT key_hash FROM extractor.records GROUP BY key_hash HAVING count(*) > 1) x"); n != 0 {
				t.Errorf("%d keys stand in the ledger twice", n)
			}
		})
	}
}

// publishVersions publishes changes of a few entities in no order, each under one of two keys and some of them again, and says what must land.
func (b *bench) publishVersions(rnd *rand.Rand, messages int) (published int, newest map[string][2]string) {
	b.Helper()
	newest = map[string][2]string{}
	at := map[string][2]int{}
	for range messages {
		var frame []string
		for range 1 + rnd.IntN(10) {
			e, v := rnd.IntN(12), 1+rnd.IntN(30)
			id := fmt.Sprintf("e%d", e)
			body := fmt.Sprintf(`{"event":"%d-%d-%d","id":%q,"v":%d`, e, v, rnd.IntN(2), id, v)
			value, says := newest[id], at[id]
			// What a version says follows from it alone, so that no two contradict each other but by their keys.
			for i, member := range []string{"last", "email"} {
				if (e*31+v*17)>>i&3 == 0 {
					continue
				}
				said := fmt.Sprintf("%s-%d", member, v)
				body += fmt.Sprintf(`,%q:%q`, member, said)
				if v > says[i] {
					value[i], says[i] = said, v
				}
			}
			newest[id], at[id] = value, says
			frame = append(frame, body+"}")
		}
		published += len(frame)
		b.frame("", frame...)
	}
	return published, newest
}

func TestVersionsSurviveReadersThatDie(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("wherever readers die, the newest value of each field is loaded last and every record is counted (seed %d)", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 11))
			// Two events of one version say the same of the row, and are a conflict all the same: their bodies differ in the event.
			b := newBench(t, definition(defaultMap, fmt.Sprintf("chunk: {rows: %d, bytes: 1MB, age: 1s}", 2+rnd.IntN(8)), "lanes: 2", keyed, versioned))
			b.bound = 1000
			published, newest := b.publishVersions(rnd, 50)
			r := b.reader("one")
			for i := 0; !b.decided(b.last()); i++ {
				if i > 3000 {
					t.Fatalf("it does not end: %v", b.marks())
				}
				ctx, cancel := context.WithCancel(t.Context())
				switch rnd.IntN(8) {
				case 0:
					r = b.reader("one")
				case 1:
					time.AfterFunc(time.Duration(rnd.IntN(3000))*time.Microsecond, cancel)
				case 2:
					b.advance(4 * time.Second)
				}
				_, _ = r.Pass(ctx)
				cancel()
			}
			f := b.full()
			if f.Accepted+f.Repeats != published || f.Rows+f.Superseded+f.Dead != f.Accepted {
				t.Fatalf("%d published, the ledger counts %+v", published, f)
			}
			org := map[string][2]string{}
			for _, c := range b.chunks() {
				for _, row := range c.Rows {
					had := org[row[0]]
					for i, cell := range row[1:] {
						if cell != "" {
							had[i] = cell
						}
					}
					org[row[0]] = had
				}
			}
			if diff := cmp.Diff(newest, org); diff != "" {
				t.Errorf("what the chunks leave is not the newest of each field (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTwoInstances(t *testing.T) {
	t.Parallel()
	t.Run("only the holder of the lease reads, and a late commit of the one before changes nothing", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		first, second := b.reader("one"), b.reader("two")
		b.single("", contact("a", "A"))
		for b.unsealed(first) == 0 {
			_, err := first.Pass(t.Context())
			b.must(err)
		}
		if n, err := second.Pass(t.Context()); n != 0 || err != nil || second.held != nil {
			t.Fatalf("a second instance read under another's lease: %d, %v", n, err)
		}
		b.exec("UPDATE extractor.readers SET lease_until = '-infinity'")
		b.settle(second)
		b.advance(11 * time.Second)
		if _, err := first.Pass(t.Context()); err != nil || first.held != nil {
			t.Fatalf("the late one did not notice: %v", err)
		}
		b.wantTally(tally{Rows: 1})
	})

	t.Run("two that run at once, losing the lease to each other, decide each record once", func(t *testing.T) {
		t.Parallel()
		rnd := rand.New(rand.NewPCG(3, 3))
		b := newBench(t, definition(defaultMap, "chunk: {rows: 10, bytes: 1MB, age: 1s}", "lanes: 3", keyed))
		want := b.publishMix(rnd, 120)
		last := b.last()
		ctx, cancel := context.WithCancel(t.Context())
		done, loses := make(chan struct{}, 2), make(chan struct{}, 1)
		for i, name := range []string{"one", "two"} {
			r, rnd := b.reader(name), rand.New(rand.NewPCG(3, uint64(i)))
			go func() {
				defer func() { done <- struct{}{} }()
				for ctx.Err() == nil {
					_, _ = r.Pass(ctx)
					b.advance(300 * time.Millisecond)
					if rnd.IntN(8) == 0 {
						select {
						case loses <- struct{}{}:
						default:
						}
					}
				}
			}()
		}
		deadline := time.Now().Add(time.Minute)
		for !b.decided(last) && time.Now().Before(deadline) {
			// Whoever holds it loses it in the middle of a pass; not in every pass, else nobody would ever get anything done.
			select {
			case <-loses:
				b.exec("UPDATE extractor.readers SET lease_until = '-infinity'")
			default:
			}
		}
		cancel()
		<-done
		<-done
		b.wantTally(want)
	})
}
