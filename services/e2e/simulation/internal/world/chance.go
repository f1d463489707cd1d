package world

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/google/uuid"
)

// dice are random numbers in [0,1) that a seed and a name decide, for any number of goroutines.
func dice(seed, name uint64) func() float64 {
	var mu sync.Mutex
	d := rand.New(rand.NewPCG(seed, name)) //nolint:gosec // to be drawn again
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return d.Float64()
	}
}

// ids are the bytes that UUIDs are made of, for any number of goroutines. The order in which a ledger gives rows may be that of their ids.
type ids struct {
	mu sync.Mutex
	d  *rand.ChaCha8
}

// Read implements io.Reader.
func (i *ids) Read(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.d.Read(p)
}

// drawIDs makes all UUIDs of the process those of a seed, until it is undone.
func drawIDs(seed uint64) (undo func()) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	uuid.SetRand(&ids{d: rand.NewChaCha8(key)})
	return func() { uuid.SetRand(nil) }
}
