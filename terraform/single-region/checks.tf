# What works and should not stay so.

check "https" {
  assert {
    condition     = var.domain != null
    error_message = "There is no domain, so clients speak plain HTTP with the load balancer: everyone on the way can read and change what they say. Give a domain before real use."
  }
}
