package salesforce

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// leash is content that grows only as far ahead of what the org has received as it may: whoever keeps more of it in memory waits for ever.
type leash struct {
	size, ahead int64

	mu       sync.Mutex
	moved    *sync.Cond
	given    int64
	received int64
	over     bool
}

func newLeash(size, ahead int64) *leash {
	l := &leash{size: size, ahead: ahead}
	l.moved = sync.NewCond(&l.mu)
	return l
}

func (l *leash) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.given-l.received >= l.ahead && !l.over {
		l.moved.Wait()
	}
	switch {
	case l.over:
		return 0, errors.New("the content is kept in memory, not streamed")
	case l.given == l.size:
		return 0, io.EOF
	}
	n := min(int64(len(p)), l.size-l.given)
	for i := range p[:n] {
		p[i] = 'x'
	}
	l.given += n
	return int(n), nil
}

func (l *leash) Close() error { return nil }

// arrived notes that the org has received so many bytes more; giveUp ends all waiting.
func (l *leash) arrived(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received += int64(n)
	l.moved.Broadcast()
}

func (l *leash) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.moved.Broadcast()
}

func TestAnUploadIsStreamed(t *testing.T) {
	const size, ahead = 64 << 20, 8 << 20 // what sockets hold comes on top of what the client does
	content := newLeash(size, ahead)
	late := time.AfterFunc(30*time.Second, content.giveUp)
	defer late.Stop()
	o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Body.Read(buf)
			content.arrived(n)
			if err != nil {
				break
			}
		}
		w.WriteHeader(http.StatusCreated)
	})
	if err := o.client().Upload(t.Context(), testJob, size, func() (io.ReadCloser, error) { return content, nil }); err != nil {
		t.Fatal(err)
	}
	content.mu.Lock()
	defer content.mu.Unlock()
	if content.received != size || len(o.calls()) != 1 {
		t.Errorf("%d of %d bytes arrived in %d calls", content.received, size, len(o.calls()))
	}
}
