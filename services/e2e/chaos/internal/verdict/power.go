package verdict

// witnesses: what a server had acknowledged right before its power was cut is there afterwards, to the last message and the last commit.
func (c *court) witnesses() {
	for _, e := range c.run.Timeline {
		if e.What != "witness" {
			continue
		}
		c.checked("witnessed:"+e.Target, e.Acked)
		if e.Kept < e.Acked {
			c.find("I5", lost, about{}, "%s acknowledged %d writes in the moments before its power was cut (%s) and has %d of them", e.Target, e.Acked, e.Fault, e.Kept)
		}
	}
}
