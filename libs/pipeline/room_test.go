package pipeline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
)

func TestRoom(t *testing.T) {
	d := define(t, widgets+"unknownMembers: ignore\n")
	t.Run("records that share a room come out as each by itself, and stay so", rapid.MakeCheck(func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.Map(text(), func(s string) any { return s }), tree(1),
			rapid.Map(rapid.SampledFrom([]string{"x", "", `"\`, "2026-01-31", "2026-01-31T09:30:00Z", "005000000000AbC"}), func(s string) any { return s }),
			rapid.Map(rapid.IntRange(1, 40_000), func(n int) any { return strings.Repeat("long ", n) }),
		)
		room := pipeline.NewRoom()
		type answer struct {
			Mapped  pipeline.Mapped
			Refusal *pipeline.Refusal
			Key     string
		}
		var alone, together []answer
		for range rapid.IntRange(1, 12).Draw(t, "records") {
			var o object
			for _, name := range []string{"id", "name", "price", "active", "born", "seen", "owner", "more"} {
				if rapid.Bool().Draw(t, name) {
					o = append(o, [2]any{name, value.Draw(t, "value")})
				}
			}
			var b strings.Builder
			spell(t, &b, o)
			raw := []byte(b.String())
			m, r := d.Map(raw)
			alone = append(alone, answer{m, r, b.String()})
			m, r = d.MapIn(room, raw)
			m.Named = append([]int(nil), m.Named...) // good until the next call only
			together = append(together, answer{m, r, room.Clone(b.String())})
			clear(raw) // nothing may point into what was published
		}
		if diff := cmp.Diff(alone, together); diff != "" {
			t.Fatal(diff)
		}
	}))
}

func BenchmarkMapIn(b *testing.B) {
	d := define(b, widgets)
	body := []byte(`{"id":"con-000001","name":"Ada Lovelace","price":12.50,"active":true,"born":"1815-12-10","seen":"2026-02-03T04:05:06Z","parent":{"id":"acc-000017"}}`)
	b.ReportAllocs()
	room := pipeline.NewRoom()
	for b.Loop() {
		if _, r := d.MapIn(room, body); r != nil {
			b.Fatal(r)
		}
	}
}
