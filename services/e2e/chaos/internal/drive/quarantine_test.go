package drive

import (
	"slices"
	"testing"
)

func TestQuarantinesAreThePausesThatNameAJobToDelete(t *testing.T) {
	got, err := quarantines([]byte(`{"pipelines":[
		{"name":"parts","pauses":[{"service":"reconciler","code":"FOREIGN_ROWS","message":"job 750000000000001AAA: rows that nobody sent: delete the job in Salesforce, then resume"}]},
		{"name":"orders","pauses":[
			{"service":"submitter","code":"QUOTA","message":"job 750000000000002AAA waits"},
			{"service":"reconciler","code":"FAILING","message":"job 750000000000003AAA landed nothing"}]},
		{"name":"visits"}]}`))
	if err != nil || !slices.Equal(got, []string{"750000000000001AAA"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := quarantines([]byte("<html>")); err == nil {
		t.Error("what is no JSON is no status")
	}
}
