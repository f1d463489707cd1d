package local

import (
	"fmt"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const mib = 1 << 20

// SharedBuffers is PostgreSQL's shared_buffers on this machine where nobody says otherwise: a sixteenth of the memory that this process may use (its control
// group's limit, else the machine's), at least 128 MB and at most 1 GB. The server takes of it what it reads and writes, so that a small ledger costs nothing;
// a large one keeps the index of its keys in it: ten million records cost a tenth less than with 128 MB (docs/performance.md).
func SharedBuffers() string {
	memory, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		memory = 0 // the least does everywhere
	}
	return sharedBuffers(memory)
}

func sharedBuffers(memory uint64) string {
	return fmt.Sprintf("%dMB", min(max(memory/16/mib, 128), 1024))
}
