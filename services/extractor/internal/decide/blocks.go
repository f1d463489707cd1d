package decide

// blocks is a list that grows without moving what it has, so that a long one costs neither copies nor room that nobody uses.
type blocks[T any] struct {
	of [][]T
	n  int32
}

// blockLen is a block's length; a power of two.
const (
	blockBits = 12
	blockLen  = 1 << blockBits
)

// size is how many there are.
func (b *blocks[T]) size() int { return int(b.n) }

// at is the one of a number from 0. It stays good until the next one is added.
func (b *blocks[T]) at(i int32) *T { return &b.of[i>>blockBits][i&(blockLen-1)] }

// add adds one and returns its number.
func (b *blocks[T]) add(v T) int32 {
	n := b.n
	block := int(n >> blockBits)
	if block == len(b.of) {
		var next []T // the first grows as it needs
		if block > 0 {
			next = make([]T, 0, blockLen)
		}
		b.of = append(b.of, next)
	}
	b.of[block] = append(b.of[block], v)
	b.n++
	return n
}
