"""The bar that every adapter meets, this repository's and foreign ones alike: being registered is being tested.

    python -m gateway.certification NAME

runs the suite over one installed adapter (without a name: over all). Each adapter is driven against its own simulator
on a real socket; what the simulator's ledger holds is the truth that every outcome is compared with. What is missing
(a simulator, a fault switch, a note) is a failure, never a skip: only a verb that the capabilities call `none` is left
out, and then the suite asks for it and wants a clear refusal. It needs pytest and hypothesis
(`pip install contact-list-gateway[certification]`).
"""
