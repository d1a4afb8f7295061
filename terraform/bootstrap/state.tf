# The state's bucket. `use_lockfile` in the backend puts the lock beside the state, with a conditional write.
# Old versions are what brings a broken state back; a quarter is long enough to notice.
module "state" {
  source = "../modules/bucket"

  region           = var.region
  name             = "${var.name}-state-${local.account}-${var.region}"
  kms_key          = { arn = aws_kms_key.this.arn }
  old_version_days = 90
}

# A plan that would take the bucket stops here: the state of everything else is in it.
resource "terraform_data" "state_stays" {
  input = module.state.arn

  lifecycle {
    prevent_destroy = true
  }
}
