locals {
  # Who may call AWS's services and the database from inside the VPC.
  security_groups = {
    glue      = "Workers of the Glue jobs: among themselves, to the database, to AWS."
    functions = "Lambdas that ask the database: to it and to AWS."
    endpoints = "Interface endpoints: from the workers and the Lambdas."
  }
  clients = toset(["glue", "functions"])

  client_cidrs = {
    for pair in setproduct(local.clients, var.onprem_cidrs) : "${pair[0]}-${pair[1]}" => { client = pair[0], cidr = pair[1] }
  }
  client_gateways = {
    for pair in setproduct(local.clients, local.gateway_endpoints) : "${pair[0]}-${pair[1]}" => { client = pair[0], service = pair[1] }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:The Glue connection and the endpoints have theirs; Lambda functions take the third.
  for_each = local.security_groups

  name        = "${local.prefix}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.prefix}-${each.key}" }
}

# Spark's workers talk on any port: Glue refuses a connection whose group does not let itself in.
resource "aws_vpc_security_group_ingress_rule" "among_workers" {
  #checkov:skip=CKV_AWS_24:It lets in its own group, no addresses.
  #checkov:skip=CKV_AWS_25:It lets in its own group, no addresses.
  #checkov:skip=CKV_AWS_260:It lets in its own group, no addresses.
  security_group_id            = aws_security_group.this["glue"].id
  description                  = "Workers of one job"
  referenced_security_group_id = aws_security_group.this["glue"].id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "among_workers" {
  security_group_id            = aws_security_group.this["glue"].id
  description                  = "Workers of one job"
  referenced_security_group_id = aws_security_group.this["glue"].id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each = local.client_cidrs

  security_group_id = aws_security_group.this[each.value.client].id
  description       = "The on-premises database"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = var.onprem_db.port
  to_port           = var.onprem_db.port
}

resource "aws_vpc_security_group_egress_rule" "gateway_endpoints" {
  for_each = local.client_gateways

  security_group_id = aws_security_group.this[each.value.client].id
  description       = "The gateway endpoint of ${each.value.service}"
  prefix_list_id    = aws_vpc_endpoint.gateway[each.value.service].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "interface_endpoints" {
  for_each = local.clients

  security_group_id            = aws_security_group.this[each.key].id
  description                  = "Interface endpoints"
  referenced_security_group_id = aws_security_group.this["endpoints"].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "interface_endpoints" {
  for_each = local.clients

  security_group_id            = aws_security_group.this["endpoints"].id
  description                  = "From ${each.key}"
  referenced_security_group_id = aws_security_group.this[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
