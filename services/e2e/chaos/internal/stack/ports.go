package stack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken below the range from which the kernel gives ports to outgoing connections (from 32768 on Linux): a port is left while
// its process is down, and must still be free when it comes back.
const (
	firstPort = 12_000
	lastPort  = 30_000
	portTries = 1_000
)

// given are the ports that this process gave out, so that two runs at the same time do not share one.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// ports is what one run has.
type ports struct{ taken []int }

// address takes a free port of this machine: "127.0.0.1:<port>".
func (p *ports) address(ctx context.Context) (string, error) {
	given.Lock()
	defer given.Unlock()
	var last error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if given.ports[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			last = err
			continue
		}
		_ = l.Close()
		given.ports[port] = true
		p.taken = append(p.taken, port)
		return address, nil
	}
	return "", fmt.Errorf("no free port between %d and %d: %w", firstPort, lastPort, last)
}

// free gives all of them back.
func (p *ports) free() {
	given.Lock()
	defer given.Unlock()
	for _, port := range p.taken {
		delete(given.ports, port)
	}
	p.taken = nil
}
