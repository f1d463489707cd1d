package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Hash is the first half of a SHA-256, in the shape of a UUID so that PostgreSQL stores it in 16 bytes. It is an alias: uuid.UUID(h)
// converts. Its bits are not marked as any version.
type Hash = [16]byte

// What is hashed begins with a word and a zero byte, so that a key, an entity and a letter of the same text never share a hash.
// Contents are hashed as they are: anybody can compute them from a canonical body.
const (
	prefixKey    = "bulkhead key\x00"
	prefixEntity = "bulkhead entity\x00"
	prefixRaw    = "bulkhead raw\x00"
	prefixLetter = "bulkhead letter\x00"
	prefixOpen   = "bulkhead unresolved\x00"
)

func hash[Body string | []byte](prefix, scope string, body Body) Hash {
	var room [256]byte
	buf := append(room[:0], prefix...)
	if scope != "" {
		// A scope (a pipeline's name, an entity space) holds no zero byte, so it ends where the first one stands.
		buf = append(buf, scope...)
		buf = append(buf, 0)
	}
	buf = append(buf, body...)
	sum := sha256.Sum256(buf)
	return Hash(sum[:16])
}

// HashKey names the idempotency key of an event: unique per pipeline only.
func HashKey(pipeline, key string) Hash { return hash(prefixKey, pipeline, key) }

// HashKeyBytes is [HashKey] of a text that is no string.
func HashKeyBytes(pipeline string, key []byte) Hash { return hash(prefixKey, pipeline, key) }

// HashEntity names what a record is about. space is the entity space as [Space] writes it, folded the value as [FoldIn]
// returns it: pipelines that write the same space agree on the hash, and with it on the lane.
func HashEntity(space, folded string) Hash { return hash(prefixEntity, space, folded) }

// HashEntityBytes is [HashEntity] of a text that is no string.
func HashEntityBytes(space string, folded []byte) Hash { return hash(prefixEntity, space, folded) }

// HashContent names what a record says; canonical is its canonical body (members sorted, no white space).
func HashContent(canonical []byte) Hash {
	sum := sha256.Sum256(canonical)
	return Hash(sum[:16])
}

// HashRaw names the content of a record that has no canonical form because it cannot be read. It never equals a [HashContent].
func HashRaw(raw []byte) Hash { return hashBytes(prefixRaw, raw) }

func hashBytes(prefix string, body []byte) Hash {
	h := sha256.New()
	h.Write([]byte(prefix))
	h.Write(body)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return Hash(sum[:16])
}

// HashText is the 32 lower-case hexadecimal digits of a hash, as keys and letters show it.
func HashText(h Hash) string { return hex.EncodeToString(h[:]) }

// LetterID names the one dead letter of a key and generation: whoever decides it again, after a crash or in another process, gives
// the same id. It is a UUID of version 8.
func LetterID(pipeline, key string, generation int) [16]byte {
	body := binary.BigEndian.AppendUint64([]byte(nil), uint64(int64(generation)))
	return uuid8(hash(prefixLetter, pipeline, string(append(body, key...))))
}

// UnresolvedID names the letter of an unresolved record: one for each chunk in which what became of it could not be established. It is a UUID of
// version 8 and never a [LetterID]: the same generation may still die.
func UnresolvedID(pipeline, key string, generation int, chunk [16]byte) [16]byte {
	body := binary.BigEndian.AppendUint64(chunk[:len(chunk):len(chunk)], uint64(int64(generation)))
	return uuid8(hash(prefixOpen, pipeline, string(append(body, key...))))
}

// uuid8 marks a hash as a UUID of version 8.
func uuid8(id Hash) [16]byte {
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// LaneNone is the lane of what has no entity: it is decided in a lane of its own and never sealed.
const LaneNone = -1

// LaneOf routes an entity to one of lanes (0 to lanes-1). With fewer than two lanes it is 0.
func LaneOf(entity Hash, lanes int) int {
	if lanes < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint64(entity[8:]) % uint64(lanes))
}
