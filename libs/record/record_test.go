package record_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestBalance(t *testing.T) {
	terms := rapid.Custom(func(t *rapid.T) record.Balance {
		n := rapid.Int64Range(0, 1<<40)
		b := record.Balance{
			Landed: n.Draw(t, "landed"), InFlight: n.Draw(t, "in_flight"), Retrying: n.Draw(t, "retrying"),
			WaitingForParent: n.Draw(t, "waiting"), Unresolved: n.Draw(t, "unresolved"), Dead: n.Draw(t, "dead"),
			Superseded: n.Draw(t, "superseded"), Discarded: n.Draw(t, "discarded"), RolledBack: n.Draw(t, "rolled_back"),
		}
		b.Accepted = b.Sum()
		return b
	})
	t.Run("balances that add up add up together", rapid.MakeCheck(func(t *rapid.T) {
		a, b := terms.Draw(t, "a"), terms.Draw(t, "b")
		if sum := a.Add(b); !sum.AddsUp() || sum.Sum() != a.Sum()+b.Sum() {
			t.Fatalf("%+v", sum)
		}
	}))
	t.Run("every state is one term, and the terms are the sum", rapid.MakeCheck(func(t *rapid.T) {
		b := terms.Draw(t, "b")
		var sum int64
		for _, s := range record.States() {
			sum += b.Of(s)
		}
		if sum != b.Sum() || b.Of("accepted") != 0 {
			t.Fatalf("%d, %d", sum, b.Sum())
		}
	}))
	t.Run("a term that is short or negative does not add up", func(t *testing.T) {
		if (record.Balance{Accepted: 2, Landed: 1}).AddsUp() {
			t.Error("one record is lost and nobody says so")
		}
		if (record.Balance{Accepted: 0, Landed: 1, Dead: -1}).AddsUp() {
			t.Error("a negative term evens out")
		}
	})
	t.Run("its JSON members are the states", func(t *testing.T) {
		text, err := json.Marshal(record.Balance{})
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]int64
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		if len(members) != len(record.States())+1 {
			t.Errorf("%d members: %s", len(members), text)
		}
		for _, s := range record.States() {
			if _, ok := members[string(s)]; !ok {
				t.Errorf("no member %s", s)
			}
		}
	})
}

func TestWords(t *testing.T) {
	t.Run("outcomes come back from their byte", func(t *testing.T) {
		seen := map[byte]bool{}
		for _, o := range record.Outcomes() {
			got, ok := record.OutcomeOf(o.Byte())
			if !ok || got != o || seen[o.Byte()] {
				t.Errorf("%s: byte %c gives %s", o, o.Byte(), got)
			}
			seen[o.Byte()] = true
		}
		if _, ok := record.OutcomeOf(record.Outcome("lost").Byte()); ok {
			t.Error("a word that is no outcome has a byte")
		}
	})
	t.Run("open and final states are told apart", func(t *testing.T) {
		for i, s := range record.States() {
			if s.Final() != (i >= 4) {
				t.Errorf("%s: final is %v", s, s.Final())
			}
		}
	})
	t.Run("only four classes may pause", func(t *testing.T) {
		var got []string
		for _, c := range record.Classes() {
			if c.MayPause() {
				got = append(got, string(c))
			}
			if !c.Known() {
				t.Errorf("%s is not known", c)
			}
		}
		if strings.Join(got, " ") != "quota permission code auth" {
			t.Errorf("%v", got)
		}
	})
}

func TestHashes(t *testing.T) {
	t.Run("key, entity, content and letter of one text differ", func(t *testing.T) {
		seen := map[record.Hash]string{}
		for name, h := range map[string]record.Hash{
			"key": record.HashKey("p", "x"), "key of another pipeline": record.HashKey("q", "x"),
			"entity": record.HashEntity("p", "x"), "content": record.HashContent([]byte("x")), "raw": record.HashRaw([]byte("x")),
			"letter": record.LetterID("p", "x", 0), "next letter": record.LetterID("p", "x", 1),
			"shifted": record.HashKey("px", ""), "long": record.HashKey("p", strings.Repeat("x", 5000)),
		} {
			if other, twice := seen[h]; twice {
				t.Errorf("%s and %s share a hash", name, other)
			}
			seen[h] = name
		}
	})
	t.Run("they never change", func(t *testing.T) {
		// Rows stored by an older version are found by these.
		for _, c := range []struct{ name, got, want string }{
			{"key", record.HashText(record.HashKey("contacts", "e-1")), "4b16c514a9ab49a33a4f84faf7dcf518"},
			{"entity", record.HashText(record.HashEntity("main/Contact/External_Id__c", "c-1")), "7e2639cd96329270d73195ba40d69e8a"},
			{"content", record.HashText(record.HashContent([]byte(`{"id":"c-1"}`))), "fd5911dfaad7edc54d014d9f4ad8a2c3"},
			{"letter", record.HashText(record.LetterID("contacts", "e-1", 2)), "5e2d6c559c3f824384bf1318c504feec"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %s", c.name, c.got)
			}
		}
	})
	t.Run("a letter's id is a UUID of version 8", rapid.MakeCheck(func(t *rapid.T) {
		id := record.LetterID("p", rapid.String().Draw(t, "key"), rapid.IntRange(0, 1000).Draw(t, "generation"))
		if id[6]>>4 != 8 || id[8]>>6 != 2 {
			t.Fatalf("%x", id)
		}
	}))
	t.Run("lanes are in range and share the entities", func(t *testing.T) {
		counts := make([]int, 4)
		for i := range 4000 {
			lane := record.LaneOf(record.HashEntity("s", strings.Repeat("k", i%7)+time.Duration(i).String()), 4)
			counts[lane]++
		}
		for lane, n := range counts {
			if n < 800 || n > 1200 {
				t.Errorf("lane %d has %d of 4000", lane, n)
			}
		}
		if record.LaneOf(record.Hash{1, 15: 9}, 1) != 0 || record.LaneOf(record.Hash{1, 15: 9}, 0) != 0 {
			t.Error("one lane is lane 0")
		}
	})
}

func TestPlace(t *testing.T) {
	p := record.Place{Seq: 12, Idx: 3}
	if !p.Less(record.Place{Seq: 12, Idx: 4}) || !p.Less(record.Place{Seq: 13}) || p.Less(p) || p.Less(record.Place{Seq: 11, Idx: 9}) {
		t.Error("places are ordered by sequence, then by index")
	}
	content := record.HashContent([]byte("{}"))
	if got := record.PlaceKey(p); got != "@12.3" {
		t.Error(got)
	}
	if got := record.BodyKey(content, p); got != "h:"+record.HashText(content)+"@12.3" {
		t.Error(got)
	}
	if got := record.ReusedKey("k", content); got != "k#"+record.HashText(content) {
		t.Error(got)
	}
	for key, made := range map[string]bool{
		record.PlaceKey(p): true, record.BodyKey(content, p): true, "": false, "@": false, "@1": false, "@1.": false, "@a.1": false, "1.2": false,
		"h:12@1.2": false, "someone@1.2": false, "h:" + record.HashText(content): false,
	} {
		if record.IsMadeKey(key) != made {
			t.Errorf("%q is said to be made by us: %v", key, !made)
		}
	}
}

func TestBitmap(t *testing.T) {
	sets := rapid.SliceOfN(rapid.IntRange(0, 200), 0, 40)
	build := func(numbers []int) (record.Bitmap, map[int]bool) {
		var b record.Bitmap
		set := map[int]bool{}
		for _, n := range numbers {
			b.Set(n)
			set[n] = true
		}
		return b, set
	}
	t.Run("it is the set of what was put in", rapid.MakeCheck(func(t *rapid.T) {
		a, setA := build(sets.Draw(t, "a"))
		b, setB := build(sets.Draw(t, "b"))
		covers := true
		for n := -2; n < 220; n++ {
			if a.Has(n) != setA[n] || a.Or(b).Has(n) != (setA[n] || setB[n]) || a.AndNot(b).Has(n) != (setA[n] && !setB[n]) ||
				a.And(b).Has(n) != (setA[n] && setB[n]) {
				t.Fatalf("%d", n)
			}
			covers = covers && (!setB[n] || setA[n])
		}
		if a.Covers(b) != covers || a.Empty() != (len(setA) == 0) || len(a.Ordinals()) != len(setA) {
			t.Fatalf("covers %v, empty %v, ordinals %v", a.Covers(b), a.Empty(), a.Ordinals())
		}
		if !a.Or(b).Equal(b.Or(a)) || !a.AndNot(b).Or(a.And(b)).Equal(a) {
			t.Fatal("sets do not compose")
		}
	}))
	t.Run("operations leave their operands alone", func(t *testing.T) {
		a, b := record.Bitmap{0xff}, record.Bitmap{0x0f, 1}
		a.Or(b)
		a.AndNot(b)
		a.And(b)
		if !reflect.DeepEqual(a, record.Bitmap{0xff}) || !reflect.DeepEqual(b, record.Bitmap{0x0f, 1}) {
			t.Errorf("%v %v", a, b)
		}
	})
	t.Run("a negative number is ignored", func(t *testing.T) {
		var b record.Bitmap
		b.Set(-1)
		if !b.Empty() || b.Has(-1) {
			t.Error("it is in")
		}
	})
}

func TestDecide(t *testing.T) {
	policies := record.DefaultPolicies()
	for _, c := range []struct {
		name    string
		class   record.Class
		bound   int
		attempt int
		verdict record.Verdict
		longest time.Duration
		as      record.Class
	}{
		{"a transient fault waits up to a second at first", record.ClassTransient, 0, 1, record.VerdictRetry, time.Second, record.ClassTransient},
		{"and twice as long each time", record.ClassTransient, 0, 4, record.VerdictRetry, 8 * time.Second, record.ClassTransient},
		{"the seventh try is followed by the eighth", record.ClassTransient, 0, 7, record.VerdictRetry, 64 * time.Second, record.ClassTransient},
		{"the eighth by none", record.ClassTransient, 0, 8, record.VerdictDead, 0, record.ClassTransient},
		{"contention begins at two seconds", record.ClassContention, 0, 1, record.VerdictRetry, 2 * time.Second, record.ClassContention},
		{"contention ends after eight", record.ClassContention, 0, 8, record.VerdictDead, 0, record.ClassContention},
		{"a missing parent has three tries", record.ClassReference, 0, 2, record.VerdictRetry, time.Minute, record.ClassReference},
		{"and no fourth", record.ClassReference, 0, 3, record.VerdictDead, 0, record.ClassReference},
		{"an unknown code has two", record.ClassUnclassified, 0, 1, record.VerdictRetry, 30 * time.Second, record.ClassUnclassified},
		{"and no third", record.ClassUnclassified, 0, 2, record.VerdictDead, 0, record.ClassUnclassified},
		{"an error with a bound of its own is tried again", record.ClassTransient, 3, 2, record.VerdictRetry, 2 * time.Second, record.ClassTransient},
		{"and dead as unclassified when that is used up", record.ClassTransient, 3, 3, record.VerdictDead, 0, record.ClassUnclassified},
		{"a bound above that of its class allows no more tries", record.ClassReference, 9, 3, record.VerdictDead, 0, record.ClassUnclassified},
		{"a bound says nothing for a class that is dead at once", record.ClassData, 3, 1, record.VerdictDead, 0, record.ClassData},
		{"data is dead at once", record.ClassData, 0, 1, record.VerdictDead, 0, record.ClassData},
		{"a duplicate is dead at once", record.ClassDuplicate, 0, 1, record.VerdictDead, 0, record.ClassDuplicate},
		{"a permission is dead at once", record.ClassPermission, 0, 1, record.VerdictDead, 0, record.ClassPermission},
		{"code is dead at once", record.ClassCode, 0, 1, record.VerdictDead, 0, record.ClassCode},
		{"quota pauses", record.ClassQuota, 0, 99, record.VerdictPause, 5 * time.Minute, record.ClassQuota},
		{"auth pauses", record.ClassAuth, 0, 0, record.VerdictPause, 5 * time.Minute, record.ClassAuth},
		{"a word that is no class is dead", record.Class("odd"), 0, 1, record.VerdictDead, 0, record.Class("odd")},
		{"more tries than counted are no overflow", record.ClassTransient, 0, math.MaxInt, record.VerdictDead, 0, record.ClassTransient},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := policies.Decide(c.class, c.attempt, c.bound, 0.999999999)
			if d.Verdict != c.verdict || d.Class != c.as || d.Reason == "" || d.Counts == (d.Verdict == record.VerdictPause) {
				t.Errorf("%+v", d)
			}
			if d.Wait > c.longest || d.Wait < c.longest-c.longest/1000 {
				t.Errorf("waits %s, longest should be %s", d.Wait, c.longest)
			}
		})
	}
	t.Run("waits never leave their bounds", rapid.MakeCheck(func(t *rapid.T) {
		p := policies
		longest := 10 * time.Minute
		if rapid.Bool().Draw(t, "short") {
			p, longest = p.Short(), 2*time.Second
		}
		class := rapid.SampledFrom(record.Classes()).Draw(t, "class")
		rnd := rapid.Float64().Draw(t, "rnd")
		for _, d := range []record.Decision{
			p.Decide(class, rapid.IntRange(0, 1<<40).Draw(t, "attempt"), rapid.IntRange(0, 30).Draw(t, "bound"), rnd),
			p.DecideUnprocessed(rapid.IntRange(-1, 1<<40).Draw(t, "times"), rnd),
		} {
			if d.Wait < 0 || d.Wait > longest {
				t.Fatalf("%+v", d)
			}
		}
	}))
	t.Run("unprocessed rows come back for ever and count nothing", func(t *testing.T) {
		for _, times := range []int{1, 5, 1000} {
			if d := policies.DecideUnprocessed(times, 0.5); d.Verdict != record.VerdictRetry || d.Counts || d.Wait <= 0 {
				t.Errorf("%+v", d)
			}
		}
	})
	t.Run("short policies have the tries of the others", func(t *testing.T) {
		short := policies.Short()
		for class, p := range policies {
			if short[class].Attempts != p.Attempts || short[class].Base > 100*time.Millisecond || short[class].Max > 2*time.Second {
				t.Errorf("%s: %+v", class, short[class])
			}
		}
		if policies[record.ClassTransient].Base != time.Second {
			t.Error("Short changed what it was made from")
		}
	})
}

func TestWaits(t *testing.T) {
	t.Run("both presets are possible", func(t *testing.T) {
		for _, w := range []record.Waits{record.DefaultWaits(), record.ShortWaits()} {
			if err := w.Check(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("short ones are at most two seconds", func(t *testing.T) {
		v := reflect.ValueOf(record.ShortWaits())
		for i := range v.NumField() {
			if d := time.Duration(v.Field(i).Int()); d <= 0 || d > 2*time.Second {
				t.Errorf("%s is %s", v.Type().Field(i).Name, d)
			}
		}
	})
	t.Run("an orphan is always older than a job that may be bound", func(t *testing.T) {
		w := record.DefaultWaits()
		w.OrphanAge = w.BindMaxAge
		if err := w.Check(); err == nil || !strings.Contains(err.Error(), "orphan.age") {
			t.Errorf("%v", err)
		}
		if err := (record.Waits{}).Check(); err == nil {
			t.Error("waits of nothing pass")
		}
	})
}

func TestCheckKey(t *testing.T) {
	for _, c := range []struct{ name, key, code string }{
		{"an e-mail address", "a.b+c@example.com", ""},
		{"wildcards of subjects, which never see it", "a.*.>", ""},
		{"quotes and semicolons", "'; DROP TABLE x", ""},
		{"emoji", "🧑‍🚀", ""},
		{"as long as allowed", strings.Repeat("k", record.MaxKeyBytes), ""},
		{"longer than allowed", strings.Repeat("k", record.MaxKeyBytes+1), record.CodeTooLarge},
		{"bytes that are no text", "a\xff", record.CodeBadUTF8},
		{"U+0000", "a\x00", record.CodeNULCharacter},
		{"a line feed", "a\nb", record.CodeUnrepresentable},
		{"a control character above ASCII", "a\u0085b", record.CodeUnrepresentable},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record.CheckKey("the key", c.key)
			if (r == nil) != (c.code == "") || r != nil && (r.Code != c.code || !strings.HasPrefix(r.Message, "the key ") || r.Error() == "") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestPlaceOf(t *testing.T) {
	t.Run("keys that are made say their place, and no others", rapid.MakeCheck(func(t *rapid.T) {
		p := record.Place{Seq: rapid.Uint64Max(1<<63-1).Draw(t, "seq"), Idx: rapid.Uint32Max(1<<31-1).Draw(t, "idx")}
		content := record.Hash(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "content"))
		for _, key := range []string{record.PlaceKey(p), record.BodyKey(content, p)} {
			if got, ok := record.PlaceOf(key); !ok || got != p {
				t.Fatalf("%s says %v, %v", key, got, ok)
			}
		}
		if got, ok := record.PlaceOf("k" + record.PlaceKey(p)); ok {
			t.Fatalf("a key of a publisher says %v", got)
		}
	}))
	for _, key := range []string{"@9223372036854775808.0", "@1.2147483648", "@99999999999999999999999.1"} {
		t.Run("no place is so far: "+key, func(t *testing.T) {
			if got, ok := record.PlaceOf(key); ok {
				t.Errorf("%v", got)
			}
		})
	}
}
