package opsclient

import (
	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// BalanceOf is a balance as ops answered it; of no answer all terms are zero.
func BalanceOf(b *opsv1.Balance) record.Balance {
	return record.Balance{
		Accepted: b.GetAccepted(), Landed: b.GetLanded(), InFlight: b.GetInFlight(), Retrying: b.GetRetrying(),
		WaitingForParent: b.GetWaitingForParent(), Unresolved: b.GetUnresolved(), Dead: b.GetDead(),
		Superseded: b.GetSuperseded(), Discarded: b.GetDiscarded(), RolledBack: b.GetRolledBack(),
	}
}
