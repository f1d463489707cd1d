package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/inprocess"
)

// broker is a bare JetStream server with the streams of all pipelines.
type broker struct {
	url string
	js  jetstream.JetStream
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{url: testkit.NATS(t).URL()}
	conn, err := nats.Connect(b.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if b.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	for _, p := range all() {
		b.stream(t, p.Name, -1)
	}
	return b
}

// stream makes a pipeline's stream, or gives it another bound.
func (b *broker) stream(t *testing.T, pipeline string, maxBytes int64) {
	t.Helper()
	_, err := b.js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{
		Name: "RECORDS_" + pipeline, Subjects: []string{"records." + pipeline}, MaxBytes: maxBytes, Discard: jetstream.DiscardNew,
		Storage: jetstream.MemoryStorage, Duplicates: 100 * time.Millisecond,
	})
	if err != nil {
		t.Error(err)
	}
}

// ids are the Nats-Msg-Ids of what a pipeline's stream holds, in order.
func (b *broker) ids(t *testing.T, pipeline string) []string {
	t.Helper()
	s, err := b.js.Stream(t.Context(), "RECORDS_"+pipeline)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Header.Get("Nats-Msg-Id"))
	}
	return out
}

// org answers what is seeded, as the simulator does.
func org(t *testing.T) string {
	t.Helper()
	var mu sync.Mutex
	rows := map[string][]map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/sim/seed" {
			var in struct {
				Object  string
				Records []map[string]string
			}
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			rows[in.Object] = append(rows[in.Object], in.Records...)
			_, _ = io.WriteString(w, "{}")
			return
		}
		object := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		for i, f := range rows[object] {
			_ = json.NewEncoder(w).Encode(map[string]any{"id": fmt.Sprintf("a0700000000%07d", i), "fields": f})
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/sim"
}

// lossy is a proxy that cuts a connection instead of passing on every nth answer.
type lossy struct {
	listener net.Listener
	to       string
	every    int64
	answers  atomic.Int64
	cuts     atomic.Int64
}

func newLossy(t *testing.T, url string, every int64) *lossy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &lossy{listener: listener, to: strings.TrimPrefix(url, "nats://"), every: every}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go l.pass(in)
		}
	}()
	return l
}

func (l *lossy) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		out.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if bytes.Contains(buf[:n], []byte("MSG _INBOX")) && l.answers.Add(1)%l.every == 0 {
			l.cuts.Add(1)
			return
		}
		if _, werr := in.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func target(natsURL, control string) history.Target {
	start := time.Now()
	return history.Target{
		NATSURL: natsURL, PlainNATSURL: natsURL, ControlURL: control,
		Since: func() float64 { return float64(time.Since(start).Microseconds()) / 1000 },
	}
}

func logFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), history.PublishedFile)
}

// publishAll runs a load and returns its log.
func publishAll(t *testing.T, tg history.Target, p history.Plan, path string) []history.Publication {
	t.Helper()
	out, err := history.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), tg, p, out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := history.ReadAll[history.Publication](path)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// order is the message ids that a log says are stored, by pipeline and sequence, each once.
func order(log []history.Publication) map[string][]string {
	out, seen := map[string][]string{}, map[string]map[uint64]bool{}
	for _, p := range log {
		if seen[p.Pipeline] == nil {
			seen[p.Pipeline] = map[uint64]bool{}
		}
		if p.Answer == history.OK && !p.Dup && !seen[p.Pipeline][p.Seq] {
			seen[p.Pipeline][p.Seq] = true
			out[p.Pipeline] = append(out[p.Pipeline], p.MsgID)
		}
	}
	return out
}

func TestRun(t *testing.T) {
	plan := history.Plan{Version: 1, Seed: 11, Records: 600, FaultsFor: 800}
	t.Run("with a broker that answers every record is published in order and written down", func(t *testing.T) {
		t.Parallel()
		b := newBroker(t)
		log := publishAll(t, target(b.url, org(t)), plan, logFile(t))
		fresh := 0
		for _, p := range log {
			if p.Answer != history.OK || p.Seq == 0 || p.Acked < p.Sent {
				t.Fatalf("%+v", p)
			}
			if !p.Repeat {
				fresh++
			}
		}
		if fresh != plan.Records {
			t.Errorf("%d records in the log, want %d", fresh, plan.Records)
		}
		for name, ids := range order(log) {
			if held := b.ids(t, name); !slices.Equal(held, ids) {
				t.Errorf("stream of %s holds %v, the log says %v", name, held, ids)
			}
		}
	})
	t.Run("with a broker whose answers get lost messages are sent again, in order, and stored once where that is promised", func(t *testing.T) {
		t.Parallel()
		b := newBroker(t)
		proxy := newLossy(t, b.url, 4)
		log := publishAll(t, target("nats://"+proxy.listener.Addr().String(), org(t)), plan, logFile(t))
		unknown := 0
		for _, p := range log {
			if p.Answer == history.Unknown {
				unknown++
			}
		}
		if proxy.cuts.Load() == 0 || unknown == 0 {
			t.Fatalf("%d answers were lost, %d records have no answer", proxy.cuts.Load(), unknown)
		}
		answered := map[string]bool{}
		for _, p := range log {
			if p.Answer == history.OK {
				answered[fmt.Sprintf("%s/%d", p.Pipeline, p.Record)] = true
			}
		}
		if len(answered) != plan.Records {
			t.Errorf("%d records are answered in the end, want %d", len(answered), plan.Records)
		}
		for _, p := range all() {
			var want []string // in the order of the load
			for _, m := range Draw(plan).Messages[p.Name] {
				want = append(want, m.MsgID)
			}
			held := b.ids(t, p.Name)
			if p.Exact {
				// What is published again at once may be known to the broker, or not.
				want, held = slices.Compact(want), slices.Compact(held)
			}
			if got, was := inOrder(held), inOrder(want); !slices.Equal(got, was) {
				t.Errorf("stream of %s holds %v, want %v", p.Name, got, was)
			}
		}
	})
	t.Run("a full stream refuses, which is written down, and takes the same message when there is room", func(t *testing.T) {
		t.Parallel()
		b := newBroker(t)
		b.stream(t, visits, 1)
		path := logFile(t)
		refused := make(chan struct{})
		go func() {
			defer close(refused)
			inprocess.Within(20*time.Second, func() bool {
				log, _ := history.ReadAll[history.Publication](path) // it may not be there yet
				return slices.ContainsFunc(log, func(p history.Publication) bool { return p.Answer == history.Failed })
			})
			b.stream(t, visits, -1)
		}()
		log := publishAll(t, target(b.url, org(t)), plan, path)
		<-refused
		failed, last := 0, map[string]history.Answer{}
		for _, p := range log {
			if p.Pipeline != visits {
				continue
			}
			if p.Answer == history.Failed {
				failed++
				if !strings.Contains(p.Refused, "maximum bytes") {
					t.Errorf("%+v", p)
				}
			}
			last[p.MsgID] = p.Answer
		}
		if failed == 0 {
			t.Error("nothing was refused")
		}
		for id, answer := range last {
			if answer != history.OK {
				t.Errorf("%s ends as %s", id, answer)
			}
		}
	})
}

// inOrder leaves of each id its first place: what is stored again is a repeat.
func inOrder(ids []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		defer func() { seen[id] = true }()
		return seen[id]
	})
}

func TestUpstream(t *testing.T) {
	t.Run("a broker that is not there is tried until the bound, and then the pipeline publishes nothing more", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		listener.Close() // nobody listens there now
		path := filepath.Join(t.TempDir(), history.PublishedFile)
		out, err := history.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		u := &upstream{
			pipeline: lookup(parts), target: target("nats://"+address, ""), out: out, start: now, until: now.Add(300 * time.Millisecond),
		}
		if err := u.run(context.Background(), Draw(planOf(1, 300)).Messages[parts]); err != nil {
			t.Fatal(err)
		}
		log, err := history.ReadAll[history.Publication](path)
		if err != nil {
			t.Fatal(err)
		}
		if len(log) == 0 {
			t.Fatal("nothing was tried")
		}
		for _, p := range log {
			if p.Answer != history.Failed || p.MsgID != log[0].MsgID {
				t.Errorf("%+v", p)
			}
		}
	})
}
