package bulk

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// listPage is the number of jobs on one page of the list (Salesforce: 1,000).
const listPage = 1000

// Page is one page of the list; Next is its locator, "" on the last page.
type Page struct {
	Jobs []ListInfo
	Next string
}

// List returns a page of jobs in an order of no meaning, as Salesforce promises none.
func (m *Manager) List(locator string) (Page, error) {
	after := uint64(0)
	if locator != "" {
		_, place, ok := strings.Cut(locator, "-")
		n, err := strconv.ParseUint(place, 10, 64)
		if !ok || err != nil {
			return Page{}, refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
		}
		after = n
	}
	type item struct {
		job  *Job
		rank uint64
	}
	var items []item
	m.mu.Lock()
	for _, j := range m.order {
		if r := rank(j.ID); r > after {
			items = append(items, item{j, r})
		}
	}
	m.mu.Unlock()
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.rank, b.rank) })
	var p Page
	last := uint64(0)
	for _, it := range items {
		if len(p.Jobs) == listPage {
			p.Next = m.Store.NewID("01g", 1) + "-" + strconv.FormatUint(last, 10)
			break
		}
		it.job.mu.Lock()
		m.age(it.job)
		if it.job.gone == "" {
			p.Jobs = append(p.Jobs, it.job.listInfo())
			last = it.rank
		}
		it.job.mu.Unlock()
	}
	return p, nil
}

// rank orders the list. It is never zero.
func rank(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64() | 1
}
