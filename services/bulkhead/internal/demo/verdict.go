package demo

import (
	"context"
	"fmt"
	"sort"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// maxComplaints bounds how many differences are told: the first ones say what is wrong.
const maxComplaints = 20

// complaints collects what does not agree.
type complaints struct {
	said  []string
	count int
}

func (c *complaints) add(format string, args ...any) {
	c.count++
	if len(c.said) < maxComplaints {
		c.said = append(c.said, fmt.Sprintf(format, args...))
	}
}

func (c *complaints) list() []string {
	if c.count > len(c.said) {
		return append(c.said, fmt.Sprintf("… and %d more", c.count-len(c.said)))
	}
	return c.said
}

// judge compares, at rest, the balance with what was published and with what the org holds, entity by entity. healed says
// that the late accounts were published and the orphans replayed.
func judge(ctx context.Context, sim *simulator, l Load, b *opsv1.GetBalanceResponse, deadKeys map[string]int, healed bool) (*complaints, error) {
	c := &complaints{}
	bal := b.GetBalance()
	sum := bal.GetLanded() + bal.GetInFlight() + bal.GetRetrying() + bal.GetWaitingForParent() + bal.GetUnresolved() + bal.GetDead() +
		bal.GetSuperseded() + bal.GetDiscarded() + bal.GetRolledBack()
	if bal.GetAccepted() != sum {
		c.add("accepted %d is not the sum of the other terms, %d", bal.GetAccepted(), sum)
	}
	published, lands := 0, map[string]bool{}
	for _, a := range l.Accounts {
		if a.Fate == FateLate && !healed {
			continue
		}
		published++
		lands[a.ID] = true
	}
	for _, ct := range l.Contacts {
		published++
		lands[ct.ID] = ct.Fate == FateLands || ct.Fate == FateLocked || ct.Fate == FateOrphan && healed
	}
	if bal.GetAccepted() != int64(published) {
		c.add("%d records were published and %d are accepted", published, bal.GetAccepted())
	}
	held, accountIDs := map[string]int{}, map[string]string{}
	counts, err := sim.counts(ctx)
	if err != nil {
		return nil, err
	}
	accounts := make(map[string]*Account, len(l.Accounts))
	for i := range l.Accounts {
		accounts[l.Accounts[i].ID] = &l.Accounts[i]
	}
	err = sim.rows(ctx, "Account", func(r orgRow) error {
		if r.Seeded {
			return nil
		}
		key := r.Fields["External_Id__c"]
		held[key]++
		accountIDs[key] = r.ID
		if a := accounts[key]; a == nil {
			c.add("the org holds an Account %q that was never published", key)
		} else if r.Fields["Name"] != a.Name || r.Fields["Phone"] != a.Phone || r.Fields["Website"] != a.Website || r.Fields["Industry"] != a.Industry {
			c.add("Account %s in the org is not what was published: %v", key, r.Fields)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	contacts := make(map[string]*Contact, len(l.Contacts))
	for i := range l.Contacts {
		contacts[l.Contacts[i].ID] = &l.Contacts[i]
	}
	err = sim.rows(ctx, "Contact", func(r orgRow) error {
		if r.Seeded {
			return nil
		}
		key := r.Fields["External_Id__c"]
		held[key]++
		ct := contacts[key]
		switch {
		case ct == nil:
			c.add("the org holds a Contact %q that was never published", key)
		case r.Fields["FirstName"] != ct.FirstName || r.Fields["LastName"] != ct.LastName || r.Fields["Email"] != ct.Email ||
			r.Fields["Phone"] != ct.Phone || r.Fields["Loyalty_Number__c"] != ct.LoyaltyNumber || r.Fields["AccountId"] != accountIDs[ct.AccountID]:
			c.add("Contact %s in the org is not what was published: %v", key, r.Fields)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	landed := int64(0)
	for key, should := range lands {
		switch n := held[key]; {
		case should && n != 1:
			c.add("%s is in the org %d times and should be there once", key, n)
		case !should && n != 0:
			c.add("%s is in the org although it was made to fail", key)
		}
		switch {
		case !should && deadKeys[key] != 1:
			c.add("%s did not land and has %d dead letters instead of one", key, deadKeys[key])
		case should && deadKeys[key] != 0:
			c.add("%s landed and has a dead letter all the same", key)
		}
		if should {
			landed++
		}
	}
	for key := range deadKeys {
		if _, ok := lands[key]; !ok {
			c.add("a dead letter names %q, which was never published", key)
		}
	}
	if bal.GetLanded() != landed {
		c.add("%d records should have landed and the balance says %d", landed, bal.GetLanded())
	}
	rows := int64(0)
	for _, object := range []string{"Account", "Contact"} {
		rows += int64(counts[object].Rows - counts[object].Seeded)
	}
	if rows != bal.GetLanded() {
		c.add("the org holds %d rows that were not seeded and the balance says that %d landed", rows, bal.GetLanded())
	}
	if bal.GetDead() != int64(published)-landed {
		c.add("%d records should be dead and the balance says %d", int64(published)-landed, bal.GetDead())
	}
	sort.Strings(c.said)
	return c, nil
}
