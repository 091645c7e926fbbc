resource "aws_vpc" "this" {
  cidr_block           = "10.7.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = var.step == 2
  tags                 = { step = var.step }
}

resource "aws_vpc" "peer" {
  cidr_block = "10.8.0.0/16"
}

resource "aws_vpc_ipv4_cidr_block_association" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.9.0.0/16"
}

resource "aws_subnet" "this" {
  vpc_id                  = aws_vpc.this.id
  cidr_block              = "10.7.1.0/24"
  availability_zone       = "eu-west-1a"
  map_public_ip_on_launch = var.step == 2
  tags                    = { step = var.step }
}

resource "aws_subnet" "other" {
  vpc_id            = aws_vpc.this.id
  cidr_block        = "10.7.2.0/24"
  availability_zone = "eu-west-1b"
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { step = var.step }
}

resource "aws_egress_only_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { step = var.step }
}

resource "aws_eip" "this" {
  domain = "vpc"
  tags   = { step = var.step }
}

resource "aws_nat_gateway" "this" {
  allocation_id = aws_eip.this.id
  subnet_id     = aws_subnet.this.id
  tags          = { step = var.step }
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { step = var.step }
}

resource "aws_route" "this" {
  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = var.step == 1 ? aws_internet_gateway.this.id : null
  nat_gateway_id         = var.step == 2 ? aws_nat_gateway.this.id : null
}

resource "aws_route_table_association" "this" {
  subnet_id      = aws_subnet.this.id
  route_table_id = aws_route_table.this.id
}

resource "aws_main_route_table_association" "this" {
  vpc_id         = aws_vpc.this.id
  route_table_id = aws_route_table.this.id
}

resource "aws_default_route_table" "this" {
  default_route_table_id = aws_vpc.peer.default_route_table_id
  tags                   = { step = var.step }
}

resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_default_network_acl" "this" {
  default_network_acl_id = aws_vpc.peer.default_network_acl_id
  tags                   = { step = var.step }
}

resource "aws_security_group" "this" {
  name        = "types"
  description = "a group"
  vpc_id      = aws_vpc.this.id
  tags        = { step = var.step }
  ingress {
    description = "step ${var.step}"
    from_port   = 5432
    to_port     = 5432
    protocol    = "tcp"
    cidr_blocks = ["10.7.0.0/16"]
  }
  ingress {
    description = "self"
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    self        = true
  }
  egress {
    from_port        = 0
    to_port          = 0
    protocol         = "-1"
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
}

resource "aws_security_group" "rules" {
  name   = "types-rules"
  vpc_id = aws_vpc.this.id
}

resource "aws_security_group_rule" "this" {
  security_group_id        = aws_security_group.rules.id
  type                     = "ingress"
  description              = "step ${var.step}"
  from_port                = 443
  to_port                  = 443
  protocol                 = "tcp"
  source_security_group_id = aws_security_group.this.id
}

resource "aws_security_group" "single" {
  name   = "types-single"
  vpc_id = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  security_group_id = aws_security_group.single.id
  description       = "step ${var.step}"
  cidr_ipv4         = "10.7.0.0/16"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = { step = var.step }
}

resource "aws_vpc_security_group_egress_rule" "this" {
  security_group_id = aws_security_group.single.id
  description       = "step ${var.step}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_network_acl" "this" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = [aws_subnet.other.id]
  tags       = { step = var.step }
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "tcp"
    from_port  = 443
    to_port    = 443 + var.step
    cidr_block = "10.7.0.0/16"
  }
}

resource "aws_network_acl" "rules" {
  vpc_id = aws_vpc.this.id
  lifecycle { ignore_changes = [tags, tags_all] }
}

resource "aws_network_acl_rule" "this" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 100
  egress         = true
  protocol       = "-1"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
}

resource "aws_network_interface" "this" {
  subnet_id       = aws_subnet.this.id
  description     = "step ${var.step}"
  security_groups = [aws_security_group.this.id]
  tags            = { step = var.step }
}

resource "aws_vpc_endpoint" "gateway" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.eu-west-1.s3"
  vpc_endpoint_type = "Gateway"
  tags              = { step = var.step }
}

resource "aws_vpc_endpoint" "interface" {
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.eu-west-1.glue"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [aws_subnet.this.id]
  security_group_ids  = [aws_security_group.this.id]
}

resource "aws_vpc_endpoint_route_table_association" "this" {
  route_table_id  = aws_route_table.this.id
  vpc_endpoint_id = aws_vpc_endpoint.gateway.id
}

resource "aws_vpc_dhcp_options" "this" {
  domain_name         = "types.internal"
  domain_name_servers = ["AmazonProvidedDNS"]
  tags                = { step = var.step }
}

resource "aws_vpc_dhcp_options_association" "this" {
  vpc_id          = aws_vpc.this.id
  dhcp_options_id = aws_vpc_dhcp_options.this.id
}

resource "aws_vpc_peering_connection" "this" {
  vpc_id      = aws_vpc.this.id
  peer_vpc_id = aws_vpc.peer.id
  auto_accept = true
  tags        = { step = var.step }
}

resource "aws_ec2_managed_prefix_list" "this" {
  name           = "types"
  address_family = "IPv4"
  max_entries    = 2
  tags           = { step = var.step }
  # Another description of the same range fails on AWS too: this version of the provider then gives the
  # version of the list before its own first call (its pull request 43661).
  entry {
    cidr        = "10.${6 + var.step}.0.0/16"
    description = "step ${var.step}"
  }
}

resource "aws_ec2_tag" "this" {
  resource_id = aws_network_acl.rules.id
  key         = "Name"
  value       = "step${var.step}"
}

resource "aws_key_pair" "this" {
  key_name   = "types"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBCnDVTaDKXtVBGNuJ2YlqmRM2xMRUHP5CDaUzJyMkb7 types"
  tags       = { step = var.step }
}

resource "aws_flow_log" "this" {
  vpc_id          = aws_vpc.this.id
  traffic_type    = "ALL"
  iam_role_arn    = aws_iam_role.this.arn
  log_destination = aws_cloudwatch_log_group.this.arn
  tags            = { step = var.step }
}
