module "service" {
  for_each    = { blue = { COLOUR = "blue" }, green = { COLOUR = "green" } }
  source      = "./modules/service"
  name        = each.key
  environment = each.value
}
