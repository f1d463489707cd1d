package main

import (
	"fmt"

	"github.com/k-capehart/go-salesforce/v3"
)

// records writes records one by one.
func records() error {
	sf, err := connect()
	if err != nil {
		return err
	}
	made, err := sf.InsertOne("Contact", contact{LastName: "Alder", External_Id__c: "G-1"})
	say("insert", map[string]any{"error": text(err), "success": made.Success, "id": len(made.Id)})
	_, err = sf.InsertOne("Contact", contact{FirstName: "Nobody", External_Id__c: "G-0"})
	say("insert without a name", map[string]any{"error": text(err)})
	err = sf.UpdateOne("Contact", contact{Id: made.Id, LastName: "Birch", FirstName: "Ann", External_Id__c: "G-1"})
	say("update", map[string]any{"error": text(err)})
	same, err := sf.UpsertOne("Contact", "External_Id__c", contact{LastName: "Cedar", External_Id__c: "G-1"})
	say("upsert of a known one", map[string]any{"error": text(err), "same": same.Id == made.Id})
	added, err := sf.UpsertOne("Contact", "External_Id__c", contact{LastName: "Dill", External_Id__c: "G-2"})
	say("upsert of a new one", map[string]any{"error": text(err), "success": added.Success})
	say("delete", map[string]any{"error": text(sf.DeleteOne("Contact", contact{Id: added.Id}))})
	say("delete again", map[string]any{"error": text(sf.DeleteOne("Contact", contact{Id: added.Id}))})
	return nil
}

// tally counts what became of each record of a collection.
func tally(res salesforce.SalesforceResults, err error) map[string]any {
	out := map[string]any{"error": text(err), "failed": res.HasSalesforceErrors}
	sum := map[string]int{}
	for _, r := range res.Results {
		if r.Success {
			sum["saved"]++
			continue
		}
		for _, e := range r.Errors {
			sum[e.StatusCode]++
		}
	}
	out["results"] = sum
	return out
}

// known is a record without an Id, which an upsert by another key must not have.
type known struct{ LastName, FirstName, External_Id__c string }

// keyed are the first of many's records with a first name.
func keyed(n int, prefix string) []known {
	list := make([]known, n)
	for i, c := range many(n, prefix, "Ann") {
		list[i] = known{c.LastName, c.FirstName, c.External_Id__c}
	}
	return list
}

// many are records of which every hundredth lacks its name.
func many(n int, prefix, first string) []contact {
	list := make([]contact, n)
	for i := range list {
		list[i] = contact{LastName: fmt.Sprintf("Elm %d", i), FirstName: first, External_Id__c: fmt.Sprintf("%s-%d", prefix, i)}
		if i%100 == 7 {
			list[i].LastName = ""
		}
	}
	return list
}

// collections writes records in collections, and in several of them at once.
func collections() error {
	sf, err := connect()
	if err != nil {
		return err
	}
	made, err := sf.InsertCollection("Contact", many(450, "C", ""), 200)
	say("insert", tally(made, err))
	var ids []contact
	for _, r := range made.Results {
		if r.Success {
			ids = append(ids, contact{Id: r.Id, LastName: "Fir"})
		}
	}
	type name struct{ Id, LastName string }
	var named []name
	for _, c := range ids[:250] {
		named = append(named, name{c.Id, "Fir"})
	}
	say("update", tally(sf.UpdateCollection("Contact", named, 200)))
	say("upsert", tally(sf.UpsertCollection("Contact", "External_Id__c", keyed(20, "C"), 200)))
	type id struct{ Id string }
	var gone []id
	for _, c := range ids[:201] {
		gone = append(gone, id{c.Id})
	}
	say("delete", tally(sf.DeleteCollection("Contact", gone, 200)))
	say("delete again", tally(sf.DeleteCollection("Contact", gone[:3], 200)))

	say("composite insert", tally(sf.InsertComposite("Contact", many(50, "K", ""), 20, false)))
	say("composite upsert", tally(sf.UpsertComposite("Contact", "External_Id__c", keyed(5, "K"), 2, false)))
	say("composite all or none", tally(sf.InsertComposite("Contact", many(8, "N", ""), 200, true)))
	composed, err := sf.InsertComposite("Contact", []contact{{LastName: "Gorse", External_Id__c: "K-g"}, {LastName: "Hazel", External_Id__c: "K-h"}}, 1, true)
	say("composite of two", tally(composed, err))
	var two []name
	var both []id
	for _, r := range composed.Results {
		two, both = append(two, name{r.Id, "Ivy"}), append(both, id{r.Id})
	}
	say("composite update", tally(sf.UpdateComposite("Contact", two, 1, true)))
	say("composite delete", tally(sf.DeleteComposite("Contact", both[:1], 200, true)))
	return nil
}
