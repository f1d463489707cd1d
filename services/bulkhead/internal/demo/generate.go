package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Fate is what a generated record is made to meet.
type Fate string

// The fates: about five contacts in a hundred meet one that fails at first.
const (
	FateLands        Fate = "lands"
	FateNoLastName   Fate = "required field missing"
	FateBadEmail     Fate = "invalid e-mail"
	FateTakenLoyalty Fate = "duplicate unique value"
	FateLocked       Fate = "locked once"
	FateOrphan       Fate = "parent missing"
	FateLate         Fate = "published late" // accounts that the orphans wait for
)

// Account is what upstream publishes to records.accounts.
type Account struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
	Website  string `json:"website"`
	Industry string `json:"industry"`
	Fate     Fate   `json:"-"`
}

// Contact is what upstream publishes to records.contacts.
type Contact struct {
	ID            string `json:"id"`
	FirstName     string `json:"first_name"`
	LastName      string `json:"last_name,omitempty"`
	Email         string `json:"email"`
	Phone         string `json:"phone"`
	AccountID     string `json:"account_id"`
	LoyaltyNumber string `json:"loyalty_number"`
	Fate          Fate   `json:"-"`
}

// Load is everything that one demo publishes, in order.
type Load struct {
	Accounts []Account // the late ones at the end
	Contacts []Contact
	// SeededLoyalty are numbers that the org holds before the first record arrives.
	SeededLoyalty []string
}

var (
	industries = []string{"Agriculture", "Banking", "Construction", "Education", "Energy", "Retail", "Shipping"}
	trades     = []string{"Works", "Supply", "Foods", "Textiles", "Optics", "Freight", "Paper", "Tools"}
	trees      = []string{"Alder", "Aspen", "Beech", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Linden", "Maple", "Oak", "Pine", "Rowan", "Spruce", "Willow", "Yew"}
	stones     = []string{"Agate", "Amber", "Basalt", "Beryl", "Flint", "Garnet", "Jade", "Jasper", "Marble", "Onyx", "Opal", "Quartz", "Slate", "Topaz"}
)

// Generate makes records accounts and contacts, one account in ten, the same for the same seed. records counts both; it is
// at least 100, so that each fate occurs.
func Generate(records int, seed uint64) (Load, error) {
	if records < 100 {
		return Load{}, fmt.Errorf("%d records are too few to show every kind of failure: 100 at least", records)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	nAccounts := records / 10
	nContacts := records - nAccounts
	late := max(1, nAccounts/100)
	l := Load{Accounts: make([]Account, nAccounts), Contacts: make([]Contact, nContacts), SeededLoyalty: []string{"L-SEEDED-0", "L-SEEDED-1", "L-SEEDED-2"}}
	for i := range l.Accounts {
		name := pick(r, stones) + " " + pick(r, trades) + " " + strconv.Itoa(i)
		l.Accounts[i] = Account{
			ID:       fmt.Sprintf("A-%07d", i),
			Name:     name,
			Phone:    fmt.Sprintf("+1 555 01%05d", r.IntN(100000)),
			Website:  fmt.Sprintf("https://account%d.example", i),
			Industry: pick(r, industries),
			Fate:     FateLands,
		}
		if i >= nAccounts-late {
			l.Accounts[i].Fate = FateLate
		}
	}
	for i := range l.Contacts {
		first, last := pick(r, stones), pick(r, trees)
		c := Contact{
			ID:            fmt.Sprintf("C-%07d", i),
			FirstName:     first,
			LastName:      last,
			Email:         fmt.Sprintf("%s.%s.%d@people.example", lower(first), lower(last), i),
			Phone:         fmt.Sprintf("+1 555 02%05d", r.IntN(100000)),
			AccountID:     l.Accounts[r.IntN(nAccounts-late)].ID,
			LoyaltyNumber: fmt.Sprintf("L-%09d", i),
			Fate:          fateOf(i),
		}
		switch c.Fate {
		case FateNoLastName:
			c.LastName = ""
		case FateBadEmail:
			c.Email = fmt.Sprintf("%s.%d at people", lower(last), i)
		case FateTakenLoyalty:
			c.LoyaltyNumber = pick(r, l.SeededLoyalty)
		case FateOrphan:
			c.AccountID = l.Accounts[nAccounts-1-r.IntN(late)].ID
		}
		l.Contacts[i] = c
	}
	return l, nil
}

// fateOf spreads five failures over each hundred contacts.
func fateOf(i int) Fate {
	switch i % 100 {
	case 7:
		return FateNoLastName
	case 23:
		return FateBadEmail
	case 41:
		return FateTakenLoyalty
	case 59:
		return FateLocked
	case 83:
		return FateOrphan
	default:
		return FateLands
	}
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// frameBytes is what a frame aims at: large enough that a synchronous write per frame costs little, small enough to pass
// through every buffer (contract: aimed at 128 KiB, at most 900 KiB and 10,000 records).
const frameBytes = 128 << 10

// frames packs records as newline-delimited JSON.
func frames[T any](records []T) ([][]byte, error) {
	var (
		out [][]byte
		cur []byte
	)
	for i := range records {
		line, err := json.Marshal(&records[i])
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		if len(cur)+len(line)+1 > frameBytes && len(cur) > 0 {
			out, cur = append(out, cur), nil
		}
		cur = append(append(cur, line...), '\n')
	}
	if len(cur) > 0 {
		out = append(out, cur)
	}
	return out, nil
}
