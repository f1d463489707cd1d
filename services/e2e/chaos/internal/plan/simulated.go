package plan

import "slices"

// Script is a script of the simulator for one kind of its effects, as a seed draws it; nil = there is no such kind.
func Script(kind string, seed uint64) []byte {
	for _, s := range scripts() {
		if s.kind == kind {
			return s.write(newChance(seed, uint64(slices.Index(OrgKinds(), kind))))
		}
	}
	return nil
}

// NeedScript is the script of the simulator that brings about what crash points need, and its kind; nil = the org can do nothing for that.
func NeedScript(need string, seed uint64) (script []byte, kind string) {
	d := &drawing{chance: newChance(seed, 0), seed: seed}
	rules := d.rules(need)
	if rules == nil {
		return nil, ""
	}
	return written(rules), rules[0].Effect.Kind
}
