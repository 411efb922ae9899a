using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;

namespace Moe.Build;

/// <summary>
/// Copies an ELF library and marks one of the symbol versions that it needs as weak, so that the dynamic loader of a
/// system that does not know this version loads the library all the same.
/// </summary>
/// <remarks>
/// GCC 13 makes every file that includes &lt;iostream&gt; name <c>_ZSt21ios_base_library_initv</c>, version
/// <c>GLIBCXX_3.4.32</c>, without ever calling it. The loader refuses the library for the missing version alone.
/// MSBuild compiles this file when a project is built, against netstandard2.0; the tests compile the same file.
/// </remarks>
public sealed class WeakenElfVersion : Microsoft.Build.Utilities.Task
{
    /// <summary>The library as it came. It is only read.</summary>
    [Required]
    public string Source { get; set; } = "";

    /// <summary>Where the copy goes. The folder is made if need be.</summary>
    [Required]
    public string Destination { get; set; } = "";

    /// <summary>The version to weaken, such as <c>GLIBCXX_3.4.32</c>.</summary>
    [Required]
    public string Version { get; set; } = "";

    /// <summary>The one symbol that may be bound to the version.</summary>
    [Required]
    public string Symbol { get; set; } = "";

    /// <inheritdoc />
    public override bool Execute()
    {
        try
        {
            var library = File.ReadAllBytes(Source);
            var changed = ElfVersions.Weaken(library, Version, Symbol);
            Write(library);
            Log.LogMessage(MessageImportance.Low, "{0}: {1} entries of {2} made weak.", Source, changed, Version);
        }
        catch (InvalidDataException e)
        {
            Log.LogError(null, "MOE0001", null, Source, 0, 0, 0, 0,
                "Cannot make the need for {0} weak: {1} Set MoeFixTorchSharpNative to false to build with the file as it is.",
                Version, e.Message);
        }
        catch (Exception e) when (e is IOException || e is UnauthorizedAccessException)
        {
            Log.LogError(null, "MOE0002", null, Source, 0, 0, 0, 0, "Cannot copy to {0}: {1}", Destination, e.Message);
        }

        return !Log.HasLoggedErrors;
    }

    // The old copy may be linked into output folders, and be mapped by running programs: replace the name, not the bytes.
    private void Write(byte[] library)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(Destination));
        Directory.CreateDirectory(folder!);
        var temporary = Destination + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(temporary, library);
        File.Delete(Destination);
        File.Move(temporary, Destination);
    }
}

/// <summary>The tables of symbol versions of an ELF library of 64 bits, little endian.</summary>
internal static class ElfVersions
{
    private const uint Relocations = 4, DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, VersionOfSymbol = 0x6fffffff;
    private const int Weak = 2;

    /// <summary>Marks each need for the version as weak, in place, and says how many it changed.</summary>
    public static int Weaken(byte[] library, string version, string symbol)
    {
        var elf = new ElfReader(library);
        var needs = elf.Sections.Find(section => section.Type == VersionNeeds)
            ?? throw new InvalidDataException("it has no section of version needs (SHT_GNU_verneed).");

        var changed = 0;
        foreach (var entry in Entries(elf, needs, version))
        {
            RefuseOtherUses(elf, elf.Number(entry + 6, 2) & 0x7fff, version, symbol);
            if ((library[entry + 4] & Weak) == 0)
                changed++;
            library[entry + 4] |= Weak;
        }

        return changed;
    }

    // A section of needs is a chain of files, each with a chain of the versions wanted of it.
    private static List<long> Entries(ElfReader elf, ElfSection needs, string version)
    {
        var names = elf.Linked(needs);
        var found = new List<long>();
        var file = needs.Offset;
        for (var files = needs.Info; files > 0; files--)
        {
            var entry = file + elf.Number(file + 8, 4);
            for (var count = elf.Number(file + 2, 2); count > 0; count--)
            {
                if (elf.Name(names, elf.Number(entry + 8, 4)) == version)
                    found.Add(entry);
                entry += elf.Step(entry + 12, count == 1);
            }

            file += elf.Step(file + 12, files == 1);
        }

        return found;
    }

    // Weak is safe only where nothing is looked up: one known symbol carries the version, and no relocation names it.
    private static void RefuseOtherUses(ElfReader elf, long versionIndex, string version, string symbol)
    {
        var symbols = elf.Sections.Find(section => section.Type == DynamicSymbols);
        var versions = elf.Sections.Find(section => section.Type == VersionOfSymbol);
        if (symbols is null || versions is null)
            throw new InvalidDataException("it has no dynamic symbols with versions (.dynsym and .gnu.version).");

        var names = elf.Linked(symbols);
        var bound = new HashSet<long>();
        for (long i = 0; i < versions.Size / 2; i++)
        {
            if ((elf.Number(versions.Offset + (2 * i), 2) & 0x7fff) != versionIndex)
                continue;
            var name = elf.Name(names, elf.Number(symbols.Offset + (24 * i), 4));
            if (name != symbol)
                throw new InvalidDataException("the symbol " + name + " is bound to " + version + " and would not be found.");
            bound.Add(i);
        }

        foreach (var table in elf.Sections.FindAll(section => section.Type == Relocations))
        {
            for (long i = 0; i < table.Size / 24; i++)
            {
                if (bound.Contains(elf.Number(table.Offset + (24 * i) + 12, 4)))
                    throw new InvalidDataException("a relocation uses the symbol " + symbol + ", which would not be found.");
            }
        }
    }
}

/// <summary>What a section header says.</summary>
internal sealed class ElfSection
{
    public long Type, Offset, Size, Link, Info;
}

/// <summary>Reads numbers, names and section headers, and refuses to read beyond the end.</summary>
internal sealed class ElfReader
{
    private readonly byte[] bytes;

    public ElfReader(byte[] bytes)
    {
        this.bytes = bytes;
        if (bytes.Length < 4 || bytes[0] != 0x7f || bytes[1] != 'E' || bytes[2] != 'L' || bytes[3] != 'F')
            throw new InvalidDataException("it is not an ELF file.");
        if (Number(4, 1) != 2 || Number(5, 1) != 1)
            throw new InvalidDataException("it is not an ELF file of 64 bits, little endian.");

        var table = Number(40, 8);
        var headerSize = Number(58, 2);
        var count = Number(60, 2);
        if (table == 0 || count == 0)
            throw new InvalidDataException("it has no section headers.");

        Number(table + (headerSize * count) - 1, 1);
        for (var header = table; Sections.Count < count; header += headerSize)
        {
            Sections.Add(new ElfSection
            {
                Type = Number(header + 4, 4),
                Offset = Number(header + 24, 8),
                Size = Number(header + 32, 8),
                Link = Number(header + 40, 4),
                Info = Number(header + 44, 4),
            });
        }
    }

    public List<ElfSection> Sections { get; } = new List<ElfSection>();

    public ElfSection Linked(ElfSection section) =>
        section.Link < Sections.Count
            ? Sections[(int)section.Link]
            : throw new InvalidDataException("a section refers to section " + section.Link + " of " + Sections.Count + ".");

    // How far it is to the next record of a chain. Zero ends a chain, and so may not stand before its last record.
    public long Step(long offset, bool last)
    {
        var step = Number(offset, 4);
        return step > 0 || last ? step : throw new InvalidDataException("a chain of version needs ends too early.");
    }

    public string Name(ElfSection names, long offset)
    {
        var start = names.Offset + offset;
        var end = start;
        while (Number(end, 1) != 0)
            end++;
        return Encoding.UTF8.GetString(bytes, (int)start, (int)(end - start));
    }

    public long Number(long offset, int size)
    {
        if (offset < 0 || offset > bytes.Length - size)
            throw new InvalidDataException("it is truncated: " + size + " bytes wanted at " + offset + " of " + bytes.Length + ".");
        long number = 0;
        for (var i = size - 1; i >= 0; i--)
            number = (number << 8) | bytes[offset + i];
        return number;
    }
}
