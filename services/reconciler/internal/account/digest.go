package account

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Digest names what the result files said, order left out: the sums modulo 2^64 of two hashes of each row, and the number of rows. Sums, because an
// exclusive or would not see a row that stands there twice. They tell two reads apart that differ by chance, not by design: both are what the org says.
type Digest struct {
	high, low, rows uint64
}

// digestSize is the length of the stored form.
const digestSize = 24

// Add takes one row in: its file, key, id and error text. A longer text cannot pass for two shorter ones.
func (d *Digest) Add(file byte, key, id, text []byte) {
	var room [512]byte
	buf := append(room[:0], file)
	for _, part := range [...][]byte{key, id, text} {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	d.high += xxhash.Sum64(buf)
	d.low += xxhash.Sum64(append(buf, 0))
	d.rows++
}

// Bytes is the form that the ledger stores.
func (d Digest) Bytes() []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, digestSize), d.high)
	out = binary.BigEndian.AppendUint64(out, d.low)
	return binary.BigEndian.AppendUint64(out, d.rows)
}

// DigestOf reads the stored form; false when b is none (nothing was stored yet).
func DigestOf(b []byte) (Digest, bool) {
	if len(b) != digestSize {
		return Digest{}, false
	}
	return Digest{high: binary.BigEndian.Uint64(b), low: binary.BigEndian.Uint64(b[8:]), rows: binary.BigEndian.Uint64(b[16:])}, true
}
