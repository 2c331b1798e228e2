//! Programs of others: one instruction that gives every packet the same verdict, attached as a network plugin would.

use anyhow::Result;
use aya::{
    Ebpf,
    programs::{LinkOrder, SchedClassifier, TcAttachType, Xdp, XdpMode, tc::TcAttachOptions},
};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};
use testbed::Namespace;

/// What programs of others are called.
pub const NAME: &str = "foreign";
/// The next tcx program has its say (`TCX_NEXT`).
pub const NEXT: i32 = -1;
/// On to the stack (`TCX_PASS`).
pub const PASS: i32 = 0;
/// Thrown away (`TCX_DROP`).
pub const DROP: i32 = 2;
/// On to the stack (`XDP_PASS`).
const XDP_PASS: i32 = 2;

/// Attaches a tcx program; it goes when its owner is dropped.
pub fn tcx(node: &Namespace, interface: &str, order: LinkOrder, verdict: i32) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load(&object("classifier", verdict)?)?;
    node.run(|| -> Result<()> {
        let program: &mut SchedClassifier = program(&mut ebpf)?.try_into()?;
        program.load()?;
        let options = TcAttachOptions::TcxOrder(order);
        program.attach_with_options(interface, TcAttachType::Ingress, options)?;
        Ok(())
    })??;
    Ok(ebpf)
}

/// Attaches an XDP program that passes every packet; it goes when its owner is dropped.
pub fn xdp(node: &Namespace, interface: &str) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load(&object("xdp", XDP_PASS)?)?;
    node.run(|| -> Result<()> {
        let program: &mut Xdp = program(&mut ebpf)?.try_into()?;
        program.load()?;
        program.attach(interface, XdpMode::Skb)?;
        Ok(())
    })??;
    Ok(ebpf)
}

fn program(ebpf: &mut Ebpf) -> Result<&mut aya::programs::Program> {
    ebpf.program_mut(NAME)
        .ok_or_else(|| anyhow::anyhow!("the object has no program"))
}

/// An object file with one program, called [`NAME`], in a section of this name, which says what kind it is; it
/// gives every packet this verdict.
pub fn object(section: &str, verdict: i32) -> Result<Vec<u8>> {
    // r0 = verdict; exit
    let code = [
        &[0xb7, 0, 0, 0][..],
        &verdict.to_le_bytes(),
        &[0x95, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let of = |name: &str| name.as_bytes().to_vec();
    let text = object.add_section(Vec::new(), of(section), SectionKind::Text);
    object.append_section_data(text, &code, 8);
    let license = object.add_section(Vec::new(), of("license"), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    object.add_symbol(Symbol {
        name: of(NAME),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    Ok(object.write()?)
}
