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

// lists are the numbers by which the locators of a list say which it is.
var lists = map[JobType]uint64{V2Ingest: 1, V2Query: 2}

// List returns a page of jobs of one sort in an order of no meaning, as Salesforce promises none. A locator leads on in the
// list that it comes from, whatever sort is asked for: Salesforce documents one path for the next pages of both lists.
func (m *Manager) List(sort JobType, locator string) (Page, error) {
	sort, after, err := m.place(sort, locator)
	if err != nil {
		return Page{}, err
	}
	type item struct {
		job  work
		rank uint64
	}
	var items []item
	m.mu.Lock()
	for _, w := range m.order {
		if r := rank(w.common().ID); r > after && w.jobType() == sort {
			items = append(items, item{w, r})
		}
	}
	m.mu.Unlock()
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.rank, b.rank) })
	var p Page
	last := uint64(0)
	for _, it := range items {
		if len(p.Jobs) == listPage {
			p.Next = m.Store.NewID("01g", lists[sort]) + "-" + strconv.FormatUint(last, 10)
			break
		}
		l := it.job.common()
		l.mu.Lock()
		m.age(it.job)
		if l.gone == "" {
			p.Jobs = append(p.Jobs, it.job.listInfo())
			last = it.rank
		}
		l.mu.Unlock()
	}
	return p, nil
}

// place reads the locator of a list: its sort of jobs, and the rank behind which it goes on. An empty one is the beginning
// of the list of this sort.
func (m *Manager) place(sort JobType, locator string) (JobType, uint64, error) {
	if locator == "" {
		return sort, 0, nil
	}
	id, place, _ := strings.Cut(locator, "-")
	after, err := strconv.ParseUint(place, 10, 64)
	if err == nil {
		for own, number := range lists {
			if id == m.Store.NewID("01g", number) {
				return own, after, nil
			}
		}
	}
	return "", 0, errLocator
}

// errLocator refuses a locator that leads nowhere.
var errLocator = refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator")

// rank orders the list. It is never zero.
func rank(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64() | 1
}
