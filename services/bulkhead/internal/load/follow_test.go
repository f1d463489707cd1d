package load

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func TestAwayFor(t *testing.T) {
	since := timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name string
		org  *opsv1.OrgStatus
		want string
	}{
		{"an org that answers is not told of", &opsv1.OrgStatus{Circuit: &opsv1.Circuit{ClosedAt: since, Cause: "busy", OpenedAt: since}}, ""},
		{"one that ops could not ask is told with the reason", &opsv1.OrgStatus{Error: "no reply within 5s"}, "no reply within 5s"},
		{
			"one that nobody calls is told with since when, why and when it is called again",
			&opsv1.OrgStatus{Error: "older", Circuit: &opsv1.Circuit{Open: true, Cause: "status 503", OpenedAt: since, NextCallSeconds: 41.3}},
			"not called since 2026-03-01 12:00:00Z, next call in 42s: status 503",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := awayFor(c.org); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
