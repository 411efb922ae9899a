using System.Runtime.InteropServices;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// Asks the system to back a tensor's memory with large pages. Memory that is new is given page by page to whoever writes to it first, which takes longer than reading a file into it: a page 512 times as large makes it that much fewer.
/// </summary>
/// <remarks>
/// A request, to be made before the first number is written. Where it is not understood or not granted, as on systems other than Linux, all is as it was. The switch <see cref="Switch"/> of <see cref="AppContext"/> set to false
/// leaves it out: where the host of a virtual machine takes back memory that is free, the first large pages can cost more than small ones.
/// </remarks>
internal static partial class LargePages
{
    public const string Switch = "Moe.HuggingFace.LargePages";

    /// <summary>MADV_HUGEPAGE.</summary>
    private const int Advice = 14;

    /// <summary>Two of the large pages of x86-64: less memory than that hardly has a whole one in it.</summary>
    private const nint Least = 4 << 20;

    /// <param name="tensor">New, contiguous and on the CPU.</param>
    public static unsafe void Request(Tensor tensor)
    {
        if (!OperatingSystem.IsLinux() || (AppContext.TryGetSwitch(Switch, out var isOn) && !isOn))
            return;
        nint page = Environment.SystemPageSize;
        var start = (nint)HostMemory.Start<byte>(tensor);
        var end = (start + (nint)(tensor.numel() * tensor.element_size())) / page * page;
        start = (start + page - 1) / page * page;
        if (end - start < Least)
            return;
        try
        {
            _ = Advise(start, (nuint)(end - start), Advice);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(nint start, nuint length, int advice);
}
