package account

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Digest names what the result files said, order left out: the sum modulo 2^128 of a hash of each row, and the number of rows. A
// sum, because an exclusive or would not see a row that stands there twice.
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
	sum := sha256.Sum256(buf)
	var carry uint64
	d.low, carry = bits.Add64(d.low, binary.BigEndian.Uint64(sum[8:16]), 0)
	d.high, _ = bits.Add64(d.high, binary.BigEndian.Uint64(sum[:8]), carry)
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
