namespace Moe.Core.Tests;

/// <summary>Goes the way of other devices on the CPU.</summary>
internal static class OnDevicePath
{
    public static T Run<T>(Func<T> function)
    {
        HostPath.Forbidden = true;
        try
        {
            return function();
        }
        finally
        {
            HostPath.Forbidden = false;
        }
    }
}
