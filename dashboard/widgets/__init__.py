"""What pages share on screen: sidebar, train form, run controls, charts, address."""
