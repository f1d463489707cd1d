package extract

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/testkit"
)

// disk is a broker whose files a test puts back to what they were.
type disk struct {
	testing.TB
	dir    string
	server *local.NATS
}

func newDisk(t testing.TB) *disk {
	t.Helper()
	d := &disk{TB: t, dir: filepath.Join(t.TempDir(), "broker")}
	t.Cleanup(func() { d.stop() })
	d.start()
	return d
}

func (d *disk) start() {
	d.Helper()
	server, err := local.StartNATS(d.Context(), local.NATSOptions{Dir: d.dir, Logger: testkit.Logger(d.TB), StartTimeout: time.Minute})
	if err != nil {
		d.Fatal(err)
	}
	d.server = server
}

func (d *disk) stop() {
	d.Helper()
	if err := d.server.Stop(context.WithoutCancel(d.Context())); err != nil {
		d.Fatal(err)
	}
}

// while does something while the broker is away, and lets the bench go on with what is there then.
func (d *disk) while(b *bench, do func()) {
	d.Helper()
	b.conn.Close()
	d.stop()
	do()
	d.start()
	b.conn = connect(d.TB, d.server.URL())
}

func (d *disk) copyTo(dir, from string) {
	d.Helper()
	if err := os.RemoveAll(dir); err != nil {
		d.Fatal(err)
	}
	if err := os.CopyFS(dir, shown{os.DirFS(from)}); err != nil {
		d.Fatal(err)
	}
}

// shown hides what the broker has renamed in order to remove it, which it may still be at.
type shown struct{ fs.FS }

func (s shown) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }), err
}

// snapshot keeps what the broker has; putBack makes it have that again.
func (d *disk) snapshot(b *bench) string {
	d.Helper()
	to := filepath.Join(d.TempDir(), "copy")
	d.while(b, func() { d.copyTo(to, d.dir) })
	return to
}

func (d *disk) putBack(b *bench, snapshot string) {
	d.Helper()
	d.while(b, func() { d.copyTo(d.dir, snapshot) })
}

// fragile makes the stream, before anything is in it, one of which single messages can be taken.
func (b *bench) fragile() {
	b.Helper()
	s, err := b.conn.JS.Stream(b.Context(), bus.RecordsStream(testPipeline))
	b.must(err)
	c := s.CachedInfo().Config
	c.DenyDelete = false
	b.must(b.conn.JS.DeleteStream(b.Context(), c.Name))
	_, err = b.conn.JS.CreateStream(b.Context(), c)
	b.must(err)
}

func (b *bench) lose(seqs ...uint64) {
	b.Helper()
	s, err := b.conn.JS.Stream(b.Context(), bus.RecordsStream(testPipeline))
	b.must(err)
	for _, seq := range seqs {
		b.must(s.DeleteMsg(b.Context(), seq))
	}
}

// publish publishes records of one entity each, a message each.
func (b *bench) publish(prefix string, n int) {
	b.Helper()
	for i := range n {
		b.single("", contact(fmt.Sprintf("%s%d", prefix, i), "N"))
	}
}

// told counts what is logged: alarms, and that reading goes on.
type told struct {
	slog.Handler
	alarms, going int
}

func (h *told) Enabled(context.Context, slog.Level) bool { return true }
func (h *told) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *told) Handle(_ context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		h.alarms++
	case strings.HasPrefix(r.Message, "reading goes on"):
		h.going++
	}
	return nil
}

// stopsOnce has readers look at the stream again and again and checks that the alarm stands once and for all. It gives what the alarm says.
func (b *bench) stopsOnce(code string) string {
	b.Helper()
	log := &told{}
	for _, owner := range []string{"first", "second"} {
		d := b.deps(owner)
		d.Logger = slog.New(log)
		r := NewReader(d, testPipeline)
		for range 4 {
			b.pass(r)
			b.advance(11 * time.Second)
			b.pass(r)
			b.advance(d.Recheck)
		}
		if got := b.stopped(); got != code {
			b.Fatalf("stopped by %q, want %s", got, code)
		}
		b.must(r.Close(b.Context()))
	}
	if log.alarms != 1 || log.going != 0 {
		b.Errorf("%d alarms, and %d times reading went on, want one that stays", log.alarms, log.going)
	}
	st, _, err := b.store.Status(b.Context(), testPipeline)
	b.must(err)
	return st.StoppedMessage
}

func (b *bench) resume() Resumed {
	b.Helper()
	r, err := Resume(b.Context(), b.store, b.conn, testPipeline)
	b.must(err)
	if code := b.stopped(); code != "" {
		b.Fatalf("still stopped by %s", code)
	}
	return r
}

// read is the last message that was read, as the ledger has it.
func (b *bench) read() bus.Witness {
	b.Helper()
	st, _, err := b.store.Status(b.Context(), testPipeline)
	b.must(err)
	st.Read.Stored = st.Read.Stored.UTC()
	return st.Read
}

// readOn reads all that is there.
func (b *bench) readOn() {
	b.Helper()
	b.advance(2 * time.Minute)
	r := b.reader("on")
	b.settle(r)
	b.must(r.Close(b.Context()))
}

// wantSeqs checks under which sequences records stand in the ledger.
func (b *bench) wantSeqs(ranges ...bus.Range) {
	b.Helper()
	var want []int
	for _, r := range ranges {
		for seq := r.From; seq <= r.Through; seq++ {
			want = append(want, int(seq))
		}
	}
	var got []int
	rows, err := b.admin.Query(b.Context(), `SELECT seq FROM extractor.records ORDER BY seq`)
	b.must(err)
	defer rows.Close()
	for rows.Next() {
		var seq int64
		b.must(rows.Scan(&seq))
		got = append(got, int(seq))
	}
	b.must(rows.Err())
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.Error(diff)
	}
}

func TestAStreamThatIsPutBackTwiceBeforeAnythingIsReadGoesOnTwice(t *testing.T) {
	t.Parallel()
	for name, since := range map[string][2]int{
		"nothing came between":                              {0, 0},
		"what came between was stored again and is lost":    {2, 0},
		"something came after the second time":              {0, 3},
		"something came after each time, and more than was": {2, 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			b := newBenchOver(t, d.server.URL(), definition(defaultMap, defaultChunk))
			b.publish("old", 8)
			snapshot := d.snapshot(b)
			b.publish("lost", 4)
			b.readOn()
			for _, n := range since {
				d.putBack(b, snapshot)
				b.publish(fmt.Sprint("since", n), n)
				b.stopsOnce(map[bool]string{true: StoppedReplaced, false: StoppedShortened}[n >= 4])
				b.resume()
			}
			b.readOn()
			n := uint64(since[1])
			behind := max(8+n, 12)
			b.wantSeqs(bus.Range{From: 1, Through: 12}, bus.Range{From: behind + 1, Through: behind + n})
		})
	}
}

func TestWhatWasStoredAgainAndNotReadIsStoredAgainOnceMore(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBenchOver(t, d.server.URL(), definition(defaultMap, defaultChunk))
	b.publish("old", 4)
	old := d.snapshot(b)
	b.publish("lost", 4)
	b.readOn()
	d.putBack(b, old)
	b.publish("since", 2) // 5 and 6
	between := d.snapshot(b)
	b.stopsOnce(StoppedShortened)
	b.resume()
	d.putBack(b, between)
	b.stopsOnce(StoppedShortened)
	if got, want := b.resume().Again, (bus.Again{From: 5, Through: 6, Behind: 8}); got != want {
		t.Errorf("stored again %+v, want %+v", got, want)
	}
	b.readOn()
	b.wantSeqs(bus.Range{From: 1, Through: 10})
}

func TestAHoleIsGivenUpAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read, more int
		lost       []uint64
		told       string
		want       []bus.Range // that were given up
	}{
		"in the middle of what was not read":    {4, 8, []uint64{7, 8}, "without 7 to 8.", []bus.Range{{From: 7, Through: 8}}},
		"several of them":                       {4, 8, []uint64{6, 8, 9, 11}, "without 6, 8 to 9, 11.", []bus.Range{{From: 6, Through: 6}, {From: 8, Through: 9}, {From: 11, Through: 11}}},
		"and what was read is missing too":      {4, 8, []uint64{3, 4, 5, 8}, "without 5, 8.", []bus.Range{{From: 5, Through: 5}, {From: 8, Through: 8}}},
		"at the end, seen when something came":  {4, 3, []uint64{6, 7}, "without 6 to 7.", []bus.Range{{From: 6, Through: 7}}},
		"in a stream of which nothing was read": {0, 6, []uint64{3}, "without 3.", []bus.Range{{From: 3, Through: 3}}},
		"in many places": {
			0, 20,
			[]uint64{2, 4, 6, 8, 10, 12, 14},
			"without 2, 4, 6, 8, 10 and in 2 places more.",
			[]bus.Range{{From: 2, Through: 2}, {From: 4, Through: 4}, {From: 6, Through: 6}, {From: 8, Through: 8}, {From: 10, Through: 10}, {From: 12, Through: 12}, {From: 14, Through: 14}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
			b.fragile()
			if b.publish("read", c.read); c.read > 0 {
				b.readOn()
			}
			b.publish("more", c.more)
			b.lose(c.lost...)
			b.publish("last", 1)
			if alarm := b.stopsOnce(StoppedShortened); !strings.Contains(alarm, c.told) {
				t.Errorf("the alarm does not say %q: %s", c.told, alarm)
			}
			read := b.read()
			done := b.resume()
			if got := b.read(); got != read {
				t.Errorf("the last message that was read is %+v now, and was %+v", got, read)
			}
			if diff := cmp.Diff(c.want, done.Lost); diff != "" {
				t.Error(diff)
			}
			if done.Again.Messages() != 0 {
				t.Errorf("stored again %+v", done.Again)
			}
			b.publish("later", 2)
			b.readOn()
			var want []bus.Range
			for seq := uint64(1); seq <= uint64(c.read+c.more)+3; seq++ {
				if seq <= uint64(c.read) || !slices.Contains(c.lost, seq) {
					want = append(want, bus.Range{From: seq, Through: seq})
				}
			}
			b.wantSeqs(want...)
		})
	}
}

func TestAHoleThatIsMendedBeforeAnybodyAcceptsItIsNoLoss(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBenchOver(t, d.server.URL(), definition(defaultMap, defaultChunk))
	b.fragile()
	b.publish("a", 6)
	whole := d.snapshot(b)
	b.lose(3, 4)
	b.stopsOnce(StoppedShortened)
	d.putBack(b, whole)
	b.readOn()
	b.wantSeqs(bus.Range{From: 1, Through: 6})
	if b.stopped() != "" {
		t.Errorf("still stopped by %s", b.stopped())
	}
}

func TestWhatStandsWhereAPersonAcceptedALossStopsAndIsReadByTheNextResume(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBenchOver(t, d.server.URL(), definition(defaultMap, defaultChunk))
	b.fragile()
	b.publish("a", 2)
	b.readOn()
	b.publish("b", 6) // 3 to 8
	whole := d.snapshot(b)
	b.lose(4, 5)
	b.stopsOnce(StoppedShortened)
	b.resume()
	d.putBack(b, whole)
	if alarm := b.stopsOnce(StoppedReplaced); !strings.Contains(alarm, "message 4 stands where none did") {
		t.Error(alarm)
	}
	if done := b.resume(); len(done.Lost) != 0 || done.Again.Messages() != 0 {
		t.Errorf("%+v", done)
	}
	b.readOn()
	b.wantSeqs(bus.Range{From: 1, Through: 8})
}

func TestAStreamThatWasPutBackAndHasHoles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since, behind int // messages that came since, and up to where the first four are not decided by a lane
		lost          []uint64
		again         bus.Again
		want          []bus.Range
	}{
		"in what was read":            {3, 0, []uint64{2, 3}, bus.Again{From: 5, Through: 7, Behind: 9}, []bus.Range{{From: 1, Through: 4}, {From: 10, Through: 12}}},
		"where it was put back":       {3, 0, []uint64{4, 5}, bus.Again{From: 6, Through: 7, Behind: 9}, []bus.Range{{From: 1, Through: 4}, {From: 10, Through: 11}}},
		"in what came since":          {6, 0, []uint64{6, 7}, bus.Again{From: 5, Through: 10, Behind: 10}, []bus.Range{{From: 1, Through: 4}, {From: 11, Through: 11}, {From: 14, Through: 16}}},
		"where the last read one was": {7, 0, []uint64{8, 9, 10}, bus.Again{From: 5, Through: 11, Behind: 11}, []bus.Range{{From: 1, Through: 4}, {From: 12, Through: 14}, {From: 18, Through: 18}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, definition(defaultMap, defaultChunk))
			b.fragile()
			b.publish("first", 4)
			b.readOn()
			b.lostUpTo(9)
			b.publish("since", c.since)
			b.lose(c.lost...)
			b.stopsOnce(map[bool]string{true: StoppedReplaced, false: StoppedShortened}[4+c.since >= 9])
			if done := b.resume(); done.Again != c.again || len(done.Lost) != 0 {
				t.Errorf("%+v, want %+v stored again", done, c.again)
			}
			b.readOn()
			b.wantSeqs(c.want...)
			if codes := b.codes(); len(codes) != 0 {
				t.Errorf("letters %v of messages that stand for nothing", codes)
			}
		})
	}
}

func TestABlockOfTheStreamThatIsGone(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBenchOver(t, d.server.URL(), definition(defaultMap, defaultChunk))
	stream := bus.RecordsStream(testPipeline)
	b.must(b.conn.JS.DeleteStream(t.Context(), stream))
	b.must(bus.EnsureRecords(t.Context(), b.conn, testPipeline, bus.Limits{MaxBytes: 120 << 10})) // blocks are small, then
	for i := range 60 {
		b.single("", contact(fmt.Sprint("e", i), strings.Repeat("x", 1000)))
	}
	d.while(b, func() {
		blocks, err := filepath.Glob(filepath.Join(d.dir, "nats", "jetstream", "*", "streams", stream, "msgs", "*.blk"))
		if err != nil || len(blocks) < 3 {
			t.Fatalf("the stream stands in %v: %v", blocks, err)
		}
		slices.Sort(blocks)
		b.must(os.Remove(blocks[1]))
	})
	b.stopsOnce(StoppedShortened)
	lost := b.resume().Lost
	if len(lost) != 1 || lost[0].From == 1 || lost[0].Through >= 60 {
		t.Fatalf("%+v are given up", lost)
	}
	b.readOn()
	b.wantSeqs(bus.Range{From: 1, Through: lost[0].From - 1}, bus.Range{From: lost[0].Through + 1, Through: 60})
}

func TestMoreHolesThanAreGivenUpAtOnceStopThePipelineOnceMore(t *testing.T) {
	t.Parallel()
	b := newBench(t, definition(defaultMap, "chunk: {rows: 9000, bytes: 8MB, age: 10s}"))
	b.fragile()
	const holes = mostLost + 20
	b.publish("a", 2*holes)
	for i := range uint64(holes) {
		b.lose(2*i + 1)
	}
	b.publish("last", 1)
	for resumes, want := range []int{mostLost, 19} { // the first message has gone from the front
		b.stopsOnce(StoppedShortened)
		if n := len(b.resume().Lost); n != want {
			t.Fatalf("resume %d gives up %d holes, want %d", resumes+1, n, want)
		}
	}
	b.readOn()
	if n := b.count(`SELECT count(*)::int FROM extractor.records`); n != holes+1 {
		t.Errorf("%d records, want %d", n, holes+1)
	}
	if b.stopped() != "" {
		t.Errorf("stopped by %s", b.stopped())
	}
}

func TestHolesAreFoundOneByOneWhereTheyCannotBeListed(t *testing.T) {
	t.Parallel()
	holes := []bus.Range{{From: 3, Through: 4}, {From: 7, Through: 7}, {From: 9, Through: 12}}
	first := func(_ context.Context, _ string, after uint64) ([]bus.Range, bool, error) {
		for _, h := range holes {
			if h.Through > after {
				return []bus.Range{{From: max(h.From, after+1), Through: h.Through}}, false, nil
			}
		}
		return nil, false, nil
	}
	for name, c := range map[string]struct {
		after   uint64
		skipped []bus.Range
		want    []bus.Range
		told    string
	}{
		"the first":                                  {0, nil, holes[:1], " without 3 to 4 and more"},
		"the first that is not skipped":              {0, holes[:2], holes[2:], " without 9 to 12 and more"},
		"one of which a part is skipped":             {5, []bus.Range{{From: 6, Through: 10}}, holes[2:], " without 9 to 12 and more"},
		"none, though there are some that are known": {5, holes, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, all, err := lost(t.Context(), first, "", c.after, c.skipped)
			if diff := cmp.Diff(c.want, got); diff != "" || all || err != nil {
				t.Errorf("%t %v\n%s", all, err, diff)
			}
			if told := without(got, all); told != c.told {
				t.Errorf("told as %q, want %q", told, c.told)
			}
		})
	}
}

func TestAMessageThatTheLeaderHasLostAndAReplicaHandsOutStaysGivenUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, definition(defaultMap, defaultChunk))
	b.publish("a", 1)
	b.readOn()
	b.publish("b", 4) // 2 to 5
	_, err := b.admin.Exec(b.Context(), `INSERT INTO extractor.skipped (pipeline, from_seq, through_seq) VALUES ($1, 3, 4)`, testPipeline)
	b.must(err)
	asked := 0
	d := b.deps("on")
	d.Next = func(ctx context.Context, stream string, seq uint64) (bus.Msg, error) {
		asked++
		return bus.NextStored(ctx, b.conn, stream, max(seq, 5))
	}
	b.advance(2 * time.Minute)
	r := NewReader(d, testPipeline)
	b.settle(r)
	b.must(r.Close(b.Context()))
	b.wantSeqs(bus.Range{From: 1, Through: 2}, bus.Range{From: 5, Through: 5})
	if asked != 1 || b.stopped() != "" {
		t.Errorf("asked %d times, stopped by %q", asked, b.stopped())
	}
	b.publish("c", 1)
	_, err = b.admin.Exec(b.Context(), `INSERT INTO extractor.skipped (pipeline, from_seq, through_seq) VALUES ($1, 6, 6)`, testPipeline)
	b.must(err)
	b.stopsOnce(StoppedReplaced) // the leader has this one
}

func TestCopiesThatWereReadInPartAndAreGoneAreMadeAgain(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	b := newBenchOver(t, d.server.URL(), definition(defaultMap, "chunk: {rows: 2, bytes: 1MB, age: 10s}"))
	b.publish("old", 4)
	old := d.snapshot(b)
	b.publish("lost", 4)
	b.readOn()
	d.putBack(b, old)
	b.publish("since", 8) // 5 to 12
	between := d.snapshot(b)
	b.stopsOnce(StoppedReplaced)
	b.resume() // copies from 13 on
	b.advance(2 * time.Minute)
	before := b.count(`SELECT count(*)::int FROM extractor.records`)
	b.bound = b.count(`SELECT count(*)::int FROM extractor.chunks`) + 2
	r := b.reader("part")
	for range 20 {
		b.pass(r)
		b.advance(11 * time.Second)
	}
	b.must(r.Close(b.Context()))
	if n := b.count(`SELECT count(*)::int FROM extractor.records`) - before; n == 0 || n >= 8 {
		t.Fatalf("%d of the copies are read, want some", n)
	}
	b.bound = 64
	d.putBack(b, between)
	b.publish("last", 1)
	b.stopsOnce(StoppedShortened)
	if done := b.resume(); done.Again.From != 5 {
		t.Errorf("stored again %+v, want from 5 on", done.Again)
	}
	b.readOn()
	if n := b.count(`SELECT count(*)::int FROM extractor.records`); n != 4+4+8+1 {
		t.Errorf("%d records", n)
	}
}
