package verdict

import (
	"slices"
	"strings"
)

// overrulable are the fates that a person may overrule: the record is sound by itself, and was refused because of another one. Whoever replays
// its letter wants it all the same.
var overrulable = map[string]bool{"data/KEY_REUSED": true, "data/VERSION_CONFLICT": true}

// overruled says whether a person replayed the record, which had died of its fate, and the replay was followed.
func (k *known) overruled(i *item) bool {
	if i.rec == nil || !overrulable[i.rec.fate] || i.generation() == 0 || len(i.letters) == 0 {
		return false
	}
	first := i.letters[0]
	return first.Generation == 0 && first.Class+"/"+first.Code == i.rec.fate && k.orders.given(first, replay)
}

// overrule makes versions of their entities of those that landed so. Of such a record is published that it dies, not what it says: that is what
// its row says and its letter too.
func (k *known) overrule() {
	for _, i := range k.order {
		r := i.rec
		if !k.overruled(i) || len(i.landed) == 0 || r.says != nil || r.entity == "" {
			continue
		}
		g := k.group(r.pipe, r.entity)
		if g == nil {
			continue
		}
		payload := i.letters[0].Payload
		r.says, r.n = map[string]*string{}, 1
		for _, x := range g.rows {
			if x.pipe != r.pipe || x.job.ID != i.landed[0].Job {
				continue
			}
			for f, cell := range x.Cells {
				if r.pipe.fields[f] && f != r.pipe.Field && strings.Contains(payload, `"`+cell+`"`) {
					r.says[f] = &cell
				}
			}
			if v := r.says[r.pipe.Stamp]; v != nil && x.rec == nil {
				r.pipe.byStamp[*v] = r
				x.rec = r
				r.rows = append(r.rows, x)
			}
		}
		if !slices.Contains(g.records, r) {
			g.records = append(g.records, r)
		}
	}
}
