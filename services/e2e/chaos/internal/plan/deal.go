package plan

import "math/rand/v2"

// chance gives numbers that are specified: PCG's, taken by modulus. The slight favour of small numbers does not matter.
type chance struct{ *rand.PCG }

// salt parts the plans of this instrument from anything else that expands the same seed.
const salt = 0x62756c6b68656164

func newChance(seed, stream uint64) chance { return chance{rand.NewPCG(seed, stream^salt)} }

// below draws a number from 0 up to, not including, n.
func (c chance) below(n int) int { return int(c.Uint64() % uint64(n)) }

// between draws a number of both ends included.
func (c chance) between(low, high int) int { return low + c.below(high-low+1) }

// ms draws a time in whole milliseconds, both ends included.
func (c chance) ms(low, high float64) float64 { return float64(c.between(int(low), int(high))) }

// one in n.
func (c chance) one(n int) bool { return c.below(n) == 0 }

func pick[T any](c chance, from []T) T { return from[c.below(len(from))] }

// shuffle is Fisher and Yates' on chance's own numbers: what math/rand does may change between releases.
func shuffle[T any](c chance, cards []T) {
	for i := len(cards) - 1; i > 0; i-- {
		j := c.below(i + 1)
		cards[i], cards[j] = cards[j], cards[i]
	}
}

// deal gives the cards number seed·each to seed·each+each-1 of an endless row of shuffled decks. The decks' order depends on name alone, so
// that seeds share one row.
func deal[T any](name uint64, deck []T, seed uint64, each int) []T {
	if len(deck) == 0 {
		return nil
	}
	out := make([]T, 0, each)
	n := uint64(len(deck))
	for k := range uint64(each) {
		// Seeds are drawn from the whole range by the clock too: the product may wrap around, which does no harm.
		at := seed*uint64(each) + k
		cards := append([]T(nil), deck...)
		shuffle(newChance(at/n, name), cards)
		out = append(out, cards[at%n])
	}
	return out
}
